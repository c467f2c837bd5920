# JOB VOLUME

if [ -s "$jobs/$1/push" ] && [ -d "$volumes/.vsjob-$1-scratch" ]; then out state "done"; else out state absent; fi
