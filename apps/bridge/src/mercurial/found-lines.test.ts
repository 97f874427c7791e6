import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  listFoundAccounts,
  listNamedAccounts,
  parseKeyLine,
  parsePasswordLine,
  withoutKeys,
  withoutPassword,
} from "./found-lines.ts";

const repositories = new Set(["/srv/hg/alpha", "/srv/hg/beta"]);

/** A key as ssh-keygen writes it, without a comment. */
function makeKey(): string {
  const { publicKey } = generateKeyPairSync("ed25519");
  const blob = publicKey.export({ type: "spki", format: "der" }).subarray(-32);
  const fields = [Buffer.from("ssh-ed25519"), blob].flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(field.length);
    return [length, field];
  });
  return `ssh-ed25519 ${Buffer.concat(fields).toString("base64")}`;
}

const key = makeKey();
const keyLine = (command: string, options = ""): string => `${options}command="${command}" ${key} alice@laptop`;

describe("a line of htpasswd", () => {
  it.each(["$apr1$x$y", "$2y$05$abc", "{SHA}x", "$apr1$x$y:more"])(
    "is an account's, whatever the hash is: %s",
    (secret) => {
      expect(parsePasswordLine(`alice:${secret}`)).toEqual({ account: "alice", secret });
    },
  );

  it.each(["", "# by hand", "alice", "alice:", "al ice:x", "@alice:x", "branchward-nobody:x", "álice:x", "alice:a b"])(
    "is nobody's where it is not understood: %j",
    (line) => {
      expect(parsePasswordLine(line)).toBeUndefined();
    },
  );
});

describe("a line of authorized_keys", () => {
  it.each([
    ["absolute paths", keyLine("LOGNAME=alice exec hg-ssh /srv/hg/alpha")],
    ["a folder", keyLine("cd /srv/hg && LOGNAME=alice exec hg-ssh alpha beta")],
    ["no exec, and a path of the program", keyLine("cd /srv/hg && LOGNAME=alice /usr/bin/hg-ssh alpha")],
    ["options that take nothing more away", keyLine("LOGNAME=alice hg-ssh /srv/hg/beta", "restrict,no-pty,")],
  ])("with %s is an account's", (_, line) => {
    expect(parseKeyLine(line, repositories)).toEqual({ account: "alice", secret: key });
  });

  it.each([
    ["no command", `${key} alice@laptop`],
    ["no LOGNAME", keyLine("exec hg-ssh /srv/hg/alpha")],
    ["a place that the key is bound to", keyLine("LOGNAME=alice exec hg-ssh /srv/hg/alpha", 'from="10.0.0.1",')],
    ["an end", keyLine("LOGNAME=alice exec hg-ssh /srv/hg/alpha", 'expiry-time="20300101",')],
    ["no writing", keyLine("LOGNAME=alice exec hg-ssh --read-only /srv/hg/alpha")],
    ["a repository that is not the bridge's", keyLine("cd /srv/hg && LOGNAME=alice exec hg-ssh alpha gamma")],
    ["a folder that nobody knows", keyLine("LOGNAME=alice exec hg-ssh alpha")],
    ["another program", keyLine("LOGNAME=alice exec sh -c hg-ssh /srv/hg/alpha")],
    ["more than one command", keyLine("LOGNAME=alice exec hg-ssh /srv/hg/alpha; id")],
    ["a name that cannot be", keyLine("LOGNAME=-alice exec hg-ssh /srv/hg/alpha")],
    ["a key that is cut short", keyLine("LOGNAME=alice exec hg-ssh /srv/hg/alpha").replace(key, key.slice(0, -9))],
  ])("with %s is nobody's", (_, line) => {
    expect(parseKeyLine(line, repositories)).toBeUndefined();
  });
});

describe("the lines of others", () => {
  const others = {
    htpasswd: "# by hand\nalice:$apr1$1\nbob:$apr1$2\nalice:$apr1$3\n",
    authorizedKeys: `# by hand\n${keyLine("LOGNAME=alice exec hg-ssh /srv/hg/alpha")}\n${keyLine("LOGNAME=eve exec hg-ssh /x")}\n`,
  };
  const alice = { account: "alice", native: { password: "$apr1$1", keys: [key] } };

  it("tell who comes in by them", () => {
    expect(listFoundAccounts(others, repositories)).toEqual([
      alice,
      { account: "bob", native: { password: "$apr1$2", keys: [] } },
    ]);
    expect(listNamedAccounts(others)).toEqual(new Set(["alice", "bob", "eve"]));
  });

  it("lose what is taken over and nothing else", () => {
    expect(withoutPassword(others.htpasswd, alice)).toBe("# by hand\nbob:$apr1$2\nalice:$apr1$3\n");
    const [head = "", , last = ""] = others.authorizedKeys.split("\n");
    expect(withoutKeys(others.authorizedKeys, alice, repositories)).toBe(`${head}\n${last}\n`);
  });

  it("stay where they are not what was shown", () => {
    const other = { account: "alice", native: { password: "$apr1$0", keys: [] } };
    expect(withoutPassword(others.htpasswd, other)).toBe(others.htpasswd);
    expect(withoutKeys(others.authorizedKeys, other, repositories)).toBe(others.authorizedKeys);
  });
});
