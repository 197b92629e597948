# Runs PostgreSQL ("$@") for as long as its owner lives.
#
# Standard input is a pipe whose other end only the owner holds. The kernel
# closes it when the owner ends, however it ends, kill -9 included. That makes
# its end of file the one order to stop that cannot get lost. A line on it says
# that the server has been seen ready; from then on it is started again when it
# dies, while one that never got ready ends this script and so tells the owner.
#
# Standard output is the lock on the data folder. It is handed on to the server,
# so that the lock is free only when no process of the server is left.
#
# Standard error is the server's log.

exec 3>&1 4<&0 1>&2 </dev/null

server=
stopping=0
restarting=no
delay=1
status=0

# Called once a second until the server is gone: a fast shutdown, which ends
# every session and writes a checkpoint, and after 20 of them an immediate one,
# which loses nothing either but leaves the checkpoint to the next start.
stop() {
    stopping=$((stopping + 1))
    if [ -n "$server" ]; then
        if [ "$stopping" -gt 20 ]; then
            kill -QUIT "$server" 2>/dev/null
        else
            kill -INT "$server" 2>/dev/null
        fi
    fi
}

trap stop USR1
trap 'restarting=yes' USR2
# A service manager may signal every process of the service at once. The owner
# decides when the server ends, because it may still have requests to finish.
trap : INT TERM HUP

(
    trap '' INT TERM HUP USR1 USR2
    exec 3>&-
    while read -r _ <&4; do
        kill -USR2 $$
    done
    # Again and again, because a server that is just being started does not
    # listen to its first signal.
    while kill -USR1 $$ 2>/dev/null; do
        sleep 1
    done
) &
watcher=$!

while [ "$stopping" -eq 0 ]; do
    started=$(date +%s)
    "$@" </dev/null 4<&- &
    server=$!
    # A signal to this script ends the wait, so it is not proof of anything.
    while :; do
        wait "$server"
        status=$?
        kill -0 "$server" 2>/dev/null || break
    done
    server=
    if [ "$stopping" -gt 0 ] || [ "$restarting" = no ]; then
        break
    fi

    if [ $(($(date +%s) - started)) -ge 60 ]; then
        delay=1
    fi
    echo "supervisor: PostgreSQL ended with status $status; it is started again in $delay s"
    sleep "$delay" 3>&- 4<&- &
    wait $!
    delay=$((delay * 2))
    if [ "$delay" -gt 30 ]; then
        delay=30
    fi
done

kill -KILL "$watcher" 2>/dev/null
wait "$watcher"
exit "$status"
