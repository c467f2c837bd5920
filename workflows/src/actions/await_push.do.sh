# JOB VOLUME: what is received for the job goes into that volume.

transfer_receive "$1" "$(volume_path "$2")" "$(volume_scratch "$2" "$1")" "$(volume_command "$2")"
