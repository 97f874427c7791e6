if [ ! -r "$home/agent/agent.js" ]; then
  [ ! -x "$0.branchward-previous" ] || exec "$0.branchward-previous" "$@"
  exit 0
fi
if [ -x "$0.branchward-previous" ]; then
  input=$(cat && echo .)
  printf %s "${input%.}" | start post-receive 3<&0
  printf %s "${input%.}" | "$0.branchward-previous" "$@"
  exit
fi
start post-receive 3<&0
