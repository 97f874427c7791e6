case $1 in
  update | post-update) start "$1" "$PPID" 3</dev/null ;;
  txnclose-bookmark | changegroup)
    # What a push to elsewhere or a strip does here is no news; the rest of one transaction is collected in one file,
    # and the first of its hooks starts the agent.
    case $HG_SOURCE in push-response | strip) exit 0 ;; esac
    transaction=${HG_TXNID#TXN:}
    case $transaction in '' | *[!0-9a-f]*) exit 0 ;; esac
    file=$home/transactions/$transaction
    if [ -e "$file" ]; then started=1; else started=; fi
    if [ "$1" = changegroup ]; then
      echo "changegroup $HG_NODE $HG_NODE_LAST" >>"$file"
    else
      printf 'bookmark %s %s %s\n' "${HG_OLDNODE:--}" "${HG_NODE:--}" "$HG_BOOKMARK" >>"$file"
    fi 2>/dev/null
    [ -n "$started" ] || start transaction "$transaction" 3</dev/null
    ;;
esac
exit 0
