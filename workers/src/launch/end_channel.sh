# Ends a channel and what it runs. PID START GROUP

if channel_alive "$1" "$2" "$3"; then
	group_end "$3" 1 || fail transient VSJ0313 "process group $3 does not end"
fi
