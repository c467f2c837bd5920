# Answers the state of a launched command. NAME

run_report "$R/var/lib/vsjob/run/$1"
