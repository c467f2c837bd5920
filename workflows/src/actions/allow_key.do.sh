# JOB KEY VOLUME: that key may write that volume from now on, for a week.

transfer_allow "$1" "$2" "$(volume_path "$3")" "$volumes/.vsjob-$1-scratch" 7
transfer_host_key
out host_key "$host_key"
