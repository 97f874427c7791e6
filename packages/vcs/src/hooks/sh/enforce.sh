#!/bin/sh
# branchward hook @stamp@: asks Branchward whether this push may happen. Replaced by `branchward hooks install`,
# taken away by `branchward hooks uninstall`. What cannot be decided is refused.
home=@home@
node=@node@

if [ ! -x "$node" ] || [ ! -r "$home/agent/decide.js" ]; then
  echo "branchward: this push could not be decided, and is refused: no Node at $node, or no agent at $home." >&2
  echo "branchward: whoever keeps this server: branchward hooks install --server --enforce" >&2
  exit 1
fi
