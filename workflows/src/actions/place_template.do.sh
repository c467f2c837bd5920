# JOB: makes the folder of templates.

mkdir -p "$R/var/lib/vsjob/templates"
chmod 700 "$R/var/lib/vsjob/templates"
