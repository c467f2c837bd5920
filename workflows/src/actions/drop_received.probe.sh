# JOB

if [ -e "$jobs/$1" ]; then out state absent; else out state "done"; fi
