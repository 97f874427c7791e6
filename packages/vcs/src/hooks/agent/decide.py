"""Branchward's hooks in a Mercurial server: ask whether a push may happen.

Mercurial runs this file inside itself: starting another program would cost a push more than asking does. What it asks,
keeps and says is what decide.js does for git. Whatever goes wrong refuses the push and says so. It is one file because
Mercurial loads a hook by its path, without neighbours.
"""

import hashlib
import hmac
import json
import os
import re
import threading
import time
from urllib.parse import unquote, urlsplit

from mercurial import encoding
from mercurial.node import bin as to_bin

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# As many as one question holds (MAX_DECISIONS of the api).
MAX_CHANGES = 500
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_ANSWERS = 200
MAX_FILES = 5000
MAX_TOLD = 10
# A clock may be set back a little.
MAX_AHEAD_MS = 60000
# Pulling, stripping and unbundling at the server itself is its keeper's business.
PUSHES = (b"serve", b"push")


def pretxnchangegroup(ui, repo, hooktype, node=None, source=None, url=None, **_):
    """New changesets: what they do to named branches."""
    if source not in PUSHES:
        return False
    return refuse(ui, url, lambda: list_branch_changes(repo, node))


def pretxnclose_bookmark(ui, repo, hooktype, source=None, url=None, **_):
    """Called for each bookmark that a push changes; the first call asks about all of them."""
    if source not in PUSHES:
        return False
    transaction = repo.currenttransaction()
    if not hasattr(transaction, "branchward_refused"):
        changes = transaction.changes[b"bookmarks"].items()
        transaction.branchward_refused = refuse(
            ui, url, lambda: [to_bookmark_change(repo, name, old, new) for name, (old, new) in sorted(changes)]
        )
    return transaction.branchward_refused


def prepushkey(ui, repo, hooktype, namespace=None, key=None, old=None, new=None, url=None, **_):
    """A bookmark pushed by itself, as old clients do; within a transaction pretxnclose-bookmark sees it."""
    if namespace != b"bookmarks" or repo.currenttransaction() is not None:
        return False
    return refuse(ui, url, lambda: [to_bookmark_change(repo, key, to_bin(old or b""), to_bin(new or b""))])


def refuse(ui, url, list_changes):
    """True refuses, as Mercurial has it."""
    try:
        changes = list_changes()
        allowed, lines = (True, []) if not changes else decide(read_config(), ui, url, changes)
    except Exception as error:
        allowed, lines = False, ["this push could not be decided, and is refused: %s" % (error or type(error).__name__)]
    for line in lines:
        ui.warn(b"branchward: %s\n" % to_line(line).encode("utf-8", "replace"))
    return not allowed


# What a push changes


def list_branch_changes(repo, node):
    unfiltered = repo.unfiltered()
    start = unfiltered[node].rev()
    touched = {}
    parents = set()
    for rev in range(start, len(unfiltered)):
        context = unfiltered[rev]
        # The label is in the server's encoding, which may lose letters; the name is as it was committed.
        touched.setdefault(context.branch(), context.extra()[b"branch"])
        parents.update(parent.rev() for parent in context.parents() if 0 <= parent.rev() < start)
    return [
        to_change(find_branch_verb(unfiltered, label, start, parents), "branch", name)
        for label, name in sorted(touched.items())
    ]


def find_branch_verb(repo, label, start, parents):
    """`create` for a new branch, `force` for one more open head than those that grew on, else `push`."""
    changelog = repo.changelog
    branchmap = repo.filtered(b"visible").branchmap()
    heads = [changelog.rev(head) for head in branchmap.branchheads(label, closed=True)]
    opened = [changelog.rev(head) for head in branchmap.branchheads(label)]
    old_heads = [rev for rev in heads if rev < start]
    grown = [rev for rev in parents if repo[rev].branch() == label]
    if not old_heads and not grown and not has_older(repo, label, start):
        return "create"
    later = old_heads + grown
    replaced = [
        rev for rev in grown
        if not any(changelog.isancestorrev(rev, other) for other in later if other != rev) and rev not in old_heads
    ]
    return "force" if sum(1 for rev in opened if rev >= start) > len(replaced) else "push"


def has_older(repo, label, start):
    """Whether the branch is older than this push; all its heads may have grown on through other branches."""
    branches = repo.revbranchcache()
    return any(branches.branchinfo(rev)[0] == label for rev in range(start))


def to_bookmark_change(repo, name, old, new):
    return to_change(find_bookmark_verb(repo, old, new), "bookmark", encoding.fromlocal(name))


def find_bookmark_verb(repo, old, new):
    """A move that leaves commits behind is `force`, and so is one from where nothing is any more."""
    if not old:
        return "create"
    if not new:
        return "delete"
    changelog = repo.unfiltered().changelog
    if not changelog.hasnode(old) or not changelog.isancestorrev(changelog.rev(old), changelog.rev(new)):
        return "force"
    return "push"


def to_change(verb, ref_type, name):
    # Policy is about names: one that is no UTF-8 could be compared with none, and raises.
    return {"entitlement": verb, "refType": ref_type, "branch": bytes(name).decode("utf-8")}


# Who pushes


def find_user(sources, ui, url):
    """As pusher.js, and `url` for the user whom the server authenticated over http."""
    is_http = (url or b"").startswith(b"remote:http") or b"REQUEST_METHOD" in ui.environ
    for source in sources:
        user = find_user_by(source, ui.environ, url or b"", is_http)
        if user:
            return user
    return None


def find_user_by(source, environ, url, is_http):
    if source == "url":
        return unquote((url.split(b":") + [b""] * 4)[3].decode("utf-8")) if is_http else None
    if source == "login":
        return None if is_http else environ.get(b"LOGNAME", b"").decode("utf-8") or find_account()
    return environ.get(source[len("env:"):].encode("utf-8"), b"").decode("utf-8")


def find_account():
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


# Deciding


def decide(config, ui, url, changes):
    user = find_user(config["enforce"]["userFrom"], ui, url)
    answers = Answers(config, user)
    decisions, cause = ask(config, user, changes)
    unkept = answers.try_keep(decisions) if cause is None else None
    if cause is not None:
        decisions = [decide_away(config, answers, change) for change in changes]
    denied = [decision for decision in decisions if not decision["allowed"]]
    notes = [] if unkept is None else ["this answer could not be kept for when Branchward is away: %s" % unkept]
    return not denied, tell_away(cause, decisions) + tell_denied(denied, decisions) + notes


def decide_away(config, answers, change):
    max_age_ms = config["enforce"]["lastKnownMs"].get(change["entitlement"], 0)
    what = "%s %s" % (change["entitlement"], change["branch"])
    if max_age_ms == 0:
        return deny_away(config, what, "so it is decided while Branchward is away")
    answer, why = answers.find(change, max_age_ms)
    if answer is None:
        return deny_away(config, what, "%s, and without one it is decided so while Branchward is away" % why)
    away = "%s decided by last known answer of %s ago" % (what, tell_age(now_ms() - answer["at"]))
    return {"allowed": answer["allowed"], "message": answer["message"], "away": away}


def deny_away(config, what, why):
    ask_whom = "ask: whoever runs Branchward at %s, or try again later" % config["url"]
    return {"allowed": False, "message": ["%s is denied: %s" % (what, why), ask_whom], "away": None}


def tell_away(cause, decisions):
    if cause is None:
        return []
    told = ["Branchward could not be reached (%s); %s" % (cause, each["away"]) for each in decisions if each["away"]]
    if not told:
        return ["Branchward could not be reached (%s)" % cause]
    return told[:MAX_TOLD] + ["and %d more" % (len(told) - MAX_TOLD)] * (len(told) > MAX_TOLD)


def tell_denied(denied, decisions):
    lines = []
    for decision in denied[:MAX_TOLD]:
        lines += [line if index == 0 else "  " + line for index, line in enumerate(decision["message"])]
    if len(denied) > MAX_TOLD:
        lines.append("and %d more changes are denied" % (len(denied) - MAX_TOLD))
    if denied and len(denied) < len(decisions):
        lines.append("nothing of this push was taken: %d of its %d changes are denied" % (len(denied), len(decisions)))
    return lines


def tell_age(ms):
    if ms < 60000:
        return "%d s" % max(0, round(ms / 1000))
    return "%d min" % round(ms / 60000) if ms < 7200000 else "%d h" % round(ms / 3600000)


def to_line(text):
    """One line for the pusher's terminal, which no name may steer."""
    return re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]", "\ufffd", text)


# Asking


def ask(config, user, changes):
    """Decisions and no cause, or none and why; within one time limit, however slowly somebody answers."""
    late = "no answer within %d ms" % config["enforce"]["timeoutMs"]
    outcome = {"cause": late}

    def run():
        try:
            outcome["decisions"] = ask_all(config, user, changes)
            outcome["cause"] = None
        except TimeoutError:
            outcome["cause"] = late
        except Exception as error:
            outcome["cause"] = re.sub(r"([a-z][a-z0-9+.-]*://)[^/?#\s]*@", r"\1", str(error) or type(error).__name__)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(config["enforce"]["timeoutMs"] / 1000)
    final = dict(outcome)
    return (final["decisions"], None) if final["cause"] is None else (None, final["cause"])


def ask_all(config, user, changes):
    token = read_text(os.path.join(HOME, config["enforce"]["tokenFile"])).strip()
    decisions = []
    for start in range(0, len(changes), MAX_CHANGES):
        part = changes[start : start + MAX_CHANGES]
        question = {"user": user, "source": config["source"], "repository": config["repository"], "changes": part}
        decisions += parse_decisions(post(config, token, json.dumps(question).encode("utf-8")), part)
    return decisions


def post(config, token, body):
    import http.client

    url = urlsplit(config["url"])
    connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = connect(url.hostname, url.port, timeout=config["enforce"]["timeoutMs"] / 1000)
    try:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer " + token}
        headers["User-Agent"] = "branchward-hooks/" + config["stamp"]
        connection.request("POST", url.path.rstrip("/") + "/v1/access/decisions", body, headers)
        response = connection.getresponse()
        text = response.read(MAX_ANSWER_BYTES + 1)
        if response.status != 200:
            detail = re.search(rb'"detail"\s*:\s*"([^"\\]{1,200})"', text)
            raise ValueError(
                "HTTP %d%s" % (response.status, ": " + detail.group(1).decode("utf-8", "replace") if detail else "")
            )
        if len(text) > MAX_ANSWER_BYTES:
            raise ValueError("the answer is too large")
        return text
    finally:
        connection.close()


def parse_decisions(text, changes):
    answer = json.loads(text.decode("utf-8"))
    decisions = answer.get("decisions") if isinstance(answer, dict) else None
    if (
        not isinstance(decisions, list)
        or len(decisions) != len(changes)
        or not all(is_decision(*pair) for pair in zip(decisions, changes))
    ):
        raise ValueError("what answered is not Branchward")
    return [
        dict(change, allowed=decision["allowed"], message=decision["message"], away=None)
        for decision, change in zip(decisions, changes)
    ]


def is_decision(decision, change):
    return (
        isinstance(decision, dict)
        and isinstance(decision.get("allowed"), bool)
        and all(decision.get(key) == change[key] for key in ("branch", "entitlement"))
        and isinstance(decision.get("message"), list)
        and all(isinstance(line, str) for line in decision["message"])
    )


# Answers kept


class Answers:
    """What Branchward answered last about one user; known-answers.js says how it is kept."""

    def __init__(self, config, user):
        self.last_known_ms = config["enforce"]["lastKnownMs"]
        self.owner = json.dumps([config["url"], config["source"], config["repository"], user])
        name = hashlib.sha256(self.owner.encode("utf-8")).hexdigest()
        self.file = os.path.join(HOME, "answers", name)

    def sign(self, text):
        with open(os.path.join(HOME, "answers.key"), "rb") as key:
            return hmac.new(key.read(), text.encode("utf-8"), hashlib.sha256).hexdigest()

    def load(self):
        """The answers by change, in the order they came, and whether somebody else wrote them."""
        if not os.path.exists(self.file):
            return {}, False
        signature, _, rest = read_text(self.file).partition("\n")
        text = rest.partition("\n")[0]
        kept = json.loads(text) if hmac.compare_digest(signature.encode(), self.sign(text).encode()) else {}
        if kept.get("owner") != self.owner:
            return {}, True
        return dict(kept["answers"]), False

    def find(self, change, max_age_ms):
        answers, is_altered = self.load()
        if is_altered:
            return None, "the last known answer was altered and is not believed"
        answer = answers.get(to_key(change))
        if answer is None:
            return None, "no last answer is known"
        if answer["at"] > now_ms() + MAX_AHEAD_MS:
            return None, "the last known answer is from the future"
        if now_ms() - answer["at"] > max_age_ms:
            return None, "the last known answer is too old"
        return answer, None

    def try_keep(self, decisions):
        """Failing to keep an answer changes nothing about it: why is returned, None where it was kept."""
        try:
            self.keep([each for each in decisions if self.last_known_ms.get(each["entitlement"], 0) > 0], now_ms())
            return None
        except Exception as error:
            return str(error)

    def keep(self, decisions, at):
        if not decisions:
            return
        answers, _ = self.load()
        for decision in decisions:
            key = to_key(decision)
            answers.pop(key, None)
            answers[key] = {"at": at, "allowed": decision["allowed"], "message": decision["message"]}
        oldest_ms = max(self.last_known_ms.values())
        young = [pair for pair in answers.items() if at - pair[1]["at"] <= oldest_ms][-MAX_ANSWERS:]
        text = json.dumps({"owner": self.owner, "answers": young})
        if not os.path.exists(self.file):
            remove_old(os.path.dirname(self.file), oldest_ms)
        write_whole(self.file, "%s\n%s\n" % (self.sign(text), text))


def to_key(change):
    return json.dumps([change["entitlement"], change["refType"], change["branch"]])


def remove_old(directory, oldest_ms):
    """Users come and go: what is too old for every verb makes room where there are very many."""
    names = os.listdir(directory)
    for name in names if len(names) >= MAX_FILES else []:
        file = os.path.join(directory, name)
        if now_ms() - os.stat(file).st_mtime * 1000 > oldest_ms:
            os.remove(file)


def write_whole(file, text):
    """For the owner of the home alone, or for its group where the repository is shared."""
    temporary = os.path.join(os.path.dirname(os.path.dirname(file)), ".%s.%d" % (os.path.basename(file), os.getpid()))
    home = os.stat(HOME)
    mode = 0o660 if home.st_mode & 0o020 else 0o600
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        os.fchmod(out.fileno(), mode)
        if os.getuid() == 0 and home.st_uid != 0:
            os.fchown(out.fileno(), home.st_uid, home.st_gid)
        out.write(text)
    os.replace(temporary, file)


def read_config():
    return json.loads(read_text(os.path.join(HOME, "config.json")))


def read_text(file):
    with open(file, encoding="utf-8") as source:
        return source.read()


def now_ms():
    return round(time.time() * 1000)
