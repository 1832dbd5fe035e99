# Keeps a server of the tests' own for as long as whoever started it holds this script's standard input open: in the end,
# also when that process is killed, the server is stopped and its folder removed.
# Arguments: folder, then the server's command, of which this script's standard output is the log.
dir=$1
shift
trap '' INT TERM HUP
"$@" 2>&1 </dev/null &
server=$!
while read -r _; do :; done
kill -KILL "$server" 2>/dev/null
wait "$server" 2>/dev/null
rm -rf "$dir"
