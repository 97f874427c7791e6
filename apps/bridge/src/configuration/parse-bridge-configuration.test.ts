import { describe, expect, it } from "vitest";
import { parseBridgeConfiguration } from "./parse-bridge-configuration.ts";

const example = `
listen: 127.0.0.1:8790
token: { env: HG_SCIM_TOKEN }
state: /var/lib/branchward-hg
mercurial:
  repositories: [{ name: acme/web, path: /srv/hg/acme/web }]
  htpasswd: /etc/hg/htpasswd
  authorizedKeys: /home/hg/.ssh/authorized_keys
`;

/** Problems as `line path: message`. */
function complaints(text: string): string[] {
  const parsed = parseBridgeConfiguration(text, "bridge.yaml");
  return "problems" in parsed ? parsed.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`) : [];
}

describe("bridge.yaml", () => {
  it("is read with defaults filled in", () => {
    expect(parseBridgeConfiguration(example, "bridge.yaml")).toMatchObject({
      configuration: {
        host: "127.0.0.1",
        port: 8790,
        token: [{ env: "HG_SCIM_TOKEN" }],
        stateDir: "/var/lib/branchward-hg",
        target: {
          kind: "mercurial",
          repositories: [{ name: "acme/web", path: "/srv/hg/acme/web", ungoverned: "allow" }],
          account: { attribute: "userName", part: "whole", case: "keep" },
          found: "deny",
          otherEntitlements: "refuse",
          user: [],
          web: null,
        },
      },
    });
  });

  it("takes several tokens and several users that serve", () => {
    const text = `${example.replace("{ env: HG_SCIM_TOKEN }", "[{ file: /run/new }, { file: /run/old }]")}  user: [hg, www-data]\n`;
    expect(parseBridgeConfiguration(text, "bridge.yaml")).toMatchObject({
      configuration: { token: [{ file: "/run/new" }, { file: "/run/old" }], target: { user: ["hg", "www-data"] } },
    });
  });

  it("tells every problem at once, with its line", () => {
    const text = `
listen: 8790
token: hunter2
state: here
mercurial:
  repositories:
    - { name: "a b", path: "/srv/it's" }
    - { name: x, path: /srv/x }
    - { name: x, path: /srv/y }
  htpaswd: /etc/hg/htpasswd
  account: { attribute: shoeSize }
`;
    expect(complaints(text)).toEqual([
      expect.stringContaining("2 listen: must be HOST:PORT"),
      expect.stringContaining("3 token: must be a reference"),
      expect.stringContaining("4 state: must be an absolute path"),
      expect.stringContaining("names neither htpasswd nor authorizedKeys"),
      expect.stringContaining("7 mercurial.repositories[0].name: must be a name such as acme/web"),
      expect.stringContaining("7 mercurial.repositories[0].path: must be an absolute path"),
      expect.stringContaining("9 mercurial.repositories[2].name: x is there twice"),
      expect.stringContaining('10 mercurial.htpaswd: unknown key "htpaswd"'),
      expect.stringContaining("11 mercurial.account.attribute: is not an attribute"),
    ]);
  });

  it("stands for one native system", () => {
    const both = `${example}gitolite:\n  home: /home/git\n  repositories: [{ name: acme/web }]\n`;
    expect(complaints(both)).toEqual([expect.stringContaining("has mercurial and gitolite")]);
    const none = "listen: 127.0.0.1:1\ntoken: { env: A }\nstate: /var/lib/x\n";
    expect(complaints(none)).toEqual([expect.stringContaining("names no native system")]);
  });
});
