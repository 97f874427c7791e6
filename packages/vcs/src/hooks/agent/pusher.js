const os = process.getBuiltinModule("node:os");

/**
 * Who pushes, by the first source that names somebody: `env:NAME`, or `login`, the account at this machine (`LOGNAME`,
 * else the unix user), which over http is the server's and therefore nobody's. Null where nothing names anybody.
 * @param {readonly string[]} userFrom
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {string | null}
 */
export function findUser(userFrom, env) {
  const isHttp = Boolean(env.GATEWAY_INTERFACE || env.REMOTE_ADDR || env.REQUEST_METHOD);
  for (const source of userFrom) {
    const user = source === "login" ? findLogin(isHttp, env) : env[source.replace(/^env:/, "")];
    if (user) return user;
  }
  return null;
}

function findLogin(isHttp, env) {
  return isHttp ? undefined : env.LOGNAME || os.userInfo().username;
}
