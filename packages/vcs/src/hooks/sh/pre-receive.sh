# Where refs are files, those that stand for others are never packed. In every other format refs/heads is no directory
# (git, Documentation/technical/reftable), nor is it one in the GIT_DIR of a linked working tree.
may_be_symbolic() {
  [ ! -d "$GIT_DIR/refs/heads" ] || [ -e "$GIT_DIR/$1" ] || [ -L "$GIT_DIR/$1" ]
}

# Says of each ref of the push what git knows, in the lines that `agent/git-changes.js` reads. It runs beside the start of
# Node, which takes longer.
look() {
  while IFS= read -r line || [ -n "$line" ]; do
    before=${line%% *}
    after=${line#* }
    ref=${after#* }
    after=${after%% *}
    code=1 target=
    if may_be_symbolic "$ref"; then
      target=$(git symbolic-ref -q -- "$ref" </dev/null)
      code=$?
    fi
    printf 'ref %s\nsymbolic %s %s\n' "$line" "$code" "$target"
    case $ref,$target in refs/heads/* | *,refs/heads/*) ;; *) continue ;; esac
    case $before in *[!0]*) ;; *) continue ;; esac
    case $after in *[!0]*) ;; *) continue ;; esac
    git merge-base --is-ancestor "$before" "$after" </dev/null >/dev/null 2>&1
    printf 'ancestor %s\n' "$?"
  done
  echo end
}

if [ -x "$0.branchward-previous" ]; then
  input=$(cat && echo .)
  printf %s "${input%.}" | look | "$node" "$home/agent/decide.js" || exit 1
  printf %s "${input%.}" | "$0.branchward-previous" "$@"
  exit
fi
look | "$node" "$home/agent/decide.js"
