# SNAPSHOT JOB

if [ -e "$jobs/$2/listed" ]; then out state "done"; else out state absent; fi
