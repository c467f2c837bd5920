# JOB SNAPSHOT

if [ -e "$jobs/$1" ] || volume_exists "$2"; then out state absent; else out state "done"; fi
