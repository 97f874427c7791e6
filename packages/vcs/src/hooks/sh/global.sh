# One stub for every hook of git: with a global core.hooksPath git no longer looks into the repositories.
inherited=@inherited@
dir=${GIT_DIR:-.git}
[ -d "$dir" ] || dir=$(git rev-parse --git-dir 2>/dev/null) || exit 0
common=$dir
if [ -f "$dir/commondir" ]; then
  read -r common <"$dir/commondir"
  case $common in /*) ;; *) common=$dir/$common ;; esac
fi
if [ "${0##*/}" = post-checkout ] && [ "$3" = 1 ] && [ ! -e "$common/branchward/config.json" ] &&
  [ ! -d "$dir/rebase-merge" ] && [ ! -d "$dir/rebase-apply" ] && [ ! -f "$dir/BISECT_LOG" ]; then
  head=
  [ ! -f "$dir/HEAD" ] || read -r head <"$dir/HEAD"
  start post-checkout "$1" "$2" "$head" 3</dev/null
fi
own=${inherited:-$common/hooks}/${0##*/}
[ ! -x "$own" ] || exec "$own" "$@"
exit 0
