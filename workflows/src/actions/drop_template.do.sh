# JOB: removes the job's template.

rm -f "$R/var/lib/vsjob/templates/$1".*
[ ! -d "$R/var/lib/vsjob/templates" ] || sync "$R/var/lib/vsjob/templates"
