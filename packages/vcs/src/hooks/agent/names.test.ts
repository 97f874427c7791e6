import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultRepositoryName, stripCredentials } from "./names.js";

describe("the default name of a repository", () => {
  it.each([
    ["https://git.example.com/acme/web.git", "acme/web"],
    ["https://alice:s3cret@git.example.com:8443/acme/web", "acme/web"],
    ["ssh://git@git.example.com:22/acme/team/web.git/", "acme/team/web"],
    ["ssh://hg@hg.example.com//srv/acme/web", "srv/acme/web"],
    ["git@git.example.com:acme/web.git", "acme/web"],
    ["gh:acme/web", "acme/web"],
    ["https://hg.example.com/acme/web#stable", "acme/web"],
    ["https://git.example.com/acme/my%20web.git?x=1", "acme/my web"],
    ["https://git.example.com/100%", "100%"],
    ["/srv/git/acme/web.git", "acme/web"],
    ["/srv/git/acme/web/.git", "acme/web"],
    ["/srv/git/acme/a:b", "acme/a:b"],
    ["file:///srv/git/acme/web.git", "acme/web"],
    ["C:\\repos\\acme\\web", "acme/web"],
    ["/web.git", "web"],
  ])("for %s is %s", (text, name) => {
    expect(defaultRepositoryName(text)).toBe(name);
  });

  it.each(["http://127.0.0.1:8000/", "/", ""])("is none for '%s', which names no repository", (text) => {
    expect(defaultRepositoryName(text)).toBeNull();
  });

  it("is the same for a server's path and for a URL of it", () => {
    const segment = fc.stringMatching(/^[a-z][a-z0-9_-]{0,20}$/);
    fc.assert(
      fc.property(segment, segment, (owner, name) => {
        expect(defaultRepositoryName(`/srv/git/${owner}/${name}.git`)).toBe(`${owner}/${name}`);
        expect(defaultRepositoryName(`https://u:p@example.com/${owner}/${name}.git`)).toBe(`${owner}/${name}`);
      }),
    );
  });
});

describe("credentials", () => {
  it.each([
    ["http://alice:s3cret@127.0.0.1:8000/", "http://127.0.0.1:8000/"],
    ["push-response\nhttps://alice:s3cret@host/x https://bob@host", "push-response\nhttps://host/x https://host"],
    ["ssh://git@host/a@b", "ssh://host/a@b"],
    ["https://a:p@ss@host/x", "https://host/x"],
    ["alice@example.com", "alice@example.com"],
  ])("are taken out of %j", (text, stripped) => {
    expect(stripCredentials(text)).toBe(stripped);
  });
});
