/**
 * The name of a repository by a remote URL or a path. For a URL with a host (also `user@host:path`) its path without
 * leading `/` and `.git`; for a local path its last two segments without `.git`. Null where nothing is left.
 * @param {string} urlOrPath
 * @returns {string | null}
 */
export function defaultRepositoryName(urlOrPath) {
  const text = urlOrPath.trim();
  const url = /^([a-z][a-z0-9+.-]+):\/\/([^/?#]*)([^?#]*)/i.exec(text);
  if (url !== null) {
    const [, scheme = "", host = "", path = ""] = url;
    return scheme.toLowerCase() === "file" || host === "" ? lastSegments(decode(path)) : trimPath(decode(path));
  }
  // The path of `host:path` begins after the first colon, which no slash precedes; `c:\` is a drive.
  const scp = /^(?:[^/\\:]+@)?[^/\\:]{2,}:([^]*)$/.exec(text);
  return scp === null ? lastSegments(text) : trimPath(scp[1] ?? "");
}

/**
 * The text with the user information of every URL in it taken out.
 * @param {string} text
 * @returns {string}
 */
export function stripCredentials(text) {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/?#\s]*@/gi, "$1");
}

function lastSegments(path) {
  const segments = path.split(/[/\\]+/).filter((segment) => segment !== "" && segment !== ".");
  if (segments.at(-1) === ".git" || segments.at(-1) === ".hg") segments.pop();
  return trimPath(segments.slice(-2).join("/"));
}

function trimPath(path) {
  const name = path.replace(/^\/+|\/+$/g, "").replace(/\.git$/, "");
  return name === "" ? null : name;
}

function decode(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    // A stray percent sign: the name is then the path as it is written.
    return path;
  }
}
