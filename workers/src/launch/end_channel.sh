# Ends the channel whose script hangs. PID START GROUP

if process_alive "$1" "$2"; then
	group_end "$3" 1 || fail transient VSJ0313 "process group $3 does not end"
fi
