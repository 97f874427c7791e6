# The third argument says whether a branch or a file was checked out. HEAD is read now: the agent starts a moment later.
dir=${GIT_DIR:-.git}
if [ "$3" = 1 ] && [ -r "$home/agent/agent.js" ] &&
  [ ! -d "$dir/rebase-merge" ] && [ ! -d "$dir/rebase-apply" ] && [ ! -f "$dir/BISECT_LOG" ]; then
  head=
  [ ! -f "$dir/HEAD" ] || read -r head <"$dir/HEAD"
  start post-checkout "$1" "$2" "$head" 3</dev/null
fi
