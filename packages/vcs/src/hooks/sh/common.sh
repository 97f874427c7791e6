#!/bin/sh
# branchward hook @stamp@: tells Branchward what happened. Replaced by `branchward hooks install`,
# taken away by `branchward hooks uninstall`. It never slows or fails the command that runs it.
home=@home@
node=@node@

# Starts the agent in the background on its own: no terminal, no descriptor of ours but its input on 3.
start() {
  if [ ! -x "$node" ]; then
    { echo "$1: no Node at $node; run: branchward hooks install" >>"$home/agent.log"; } 2>/dev/null
    return
  fi
  # Its time says when the hook ran: agents of hooks in quick succession may start in another order.
  { true >"$home/ran.$$"; } 2>/dev/null
  if command -v setsid >/dev/null 2>&1; then detach=setsid; else detach=; fi
  (trap '' HUP INT QUIT; BRANCHWARD_RAN=$home/ran.$$ exec $detach "$node" "$home/agent/agent.js" "$@") <&3 3<&- >/dev/null 2>&1 &
}

