# Answers what Mercurial itself makes of a repository's configuration, as the user that serves it.
# One JSON object per line in, one per line out; each answer reads the configuration anew.
# Started as: ask.py USER, by root or by that user.
import json
import os
import pwd
import sys

account = pwd.getpwnam(sys.argv[1])
if os.geteuid() != account.pw_uid:
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
os.environ["HOME"] = account.pw_dir

from mercurial import error, hg, ui as uimod  # noqa: E402
from hgext import acl  # noqa: E402

SECTIONS = ["hooks", "acl", "web", "server"] + [
    "acl." + name
    for name in ("groups", "allow", "deny", "allow.branches", "deny.branches", "allow.bookmarks", "deny.bookmarks")
]
# Of the smaller sections, the keys that the bridge writes.
KEYS = {
    "hooks": ["pretxnchangegroup.acl", "prepushkey.acl"],
    "acl": ["sources", "config"],
    "web": ["allow-push"],
    "server": ["bookmarks-pushkey-compat", "maxhttpheaderlen"],
}


def text(value):
    return value.decode("utf-8", "surrogateescape")


def read(ui, untrusted):
    settings = {}
    for section in SECTIONS:
        items = ui.configitems(section.encode(), untrusted=untrusted)
        kept = KEYS.get(section)
        settings[section] = {text(k): text(v) for k, v in items if kept is None or text(k) in kept}
    return settings


def matches(ui, user, section, name):
    """As acl.buildmatch, which reads the groups of every key: here those that speak of this name alone."""
    if not ui.has_section(section):
        return None
    values = dict(ui.configitems(section))
    return any(key in values and acl._usermatch(ui, user, values[key]) for key in (name, b"*"))


def judge(ui, user, kind, name):
    if matches(ui, user, b"acl.deny." + kind, name):
        return False
    return matches(ui, user, b"acl.allow." + kind, name) is not False


def answer(question):
    root = question["path"].encode()
    base = uimod.ui.load()
    ui = hg.repository(base, root).ui
    settings = read(ui, False)
    owner = os.stat(os.path.join(root, b".hg", b"hgrc")).st_uid
    answers = [
        judge(ui, user.encode(), kind.encode(), name.encode()) for user, kind, name in question["questions"]
    ]
    return {
        "settings": settings,
        "isTrusted": settings == read(ui, True),
        "owner": owner,
        "answers": answers,
    }


for line in sys.stdin:
    try:
        result = answer(json.loads(line))
    except (error.Error, OSError, KeyError, ValueError) as failure:
        result = {"error": "%s: %s" % (type(failure).__name__, failure)}
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
