# JOB SNAPSHOT: removes what was needed to send.

volume_delete "$2"
transfer_end "$1"
