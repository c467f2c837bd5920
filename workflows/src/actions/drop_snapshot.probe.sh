# SNAPSHOT JOB

if [ -e "$jobs/$2" ] || volume_exists "$1"; then out state absent; else out state "done"; fi
