# JOB KEY VOLUME: that key may write that volume from now on, for a week.

transfer_allow "$1" "$2" "$(volume_path "$3")" "$(volume_scratch "$3" "$1")" "$(volume_command "$3")" 7
transfer_host_key
out host_key "$host_key"
