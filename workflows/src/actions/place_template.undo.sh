# JOB: removes what was brought there.

rm -f "$R/var/lib/vsjob/templates/$1".* "$R/var/lib/vsjob/templates/.$1".*
