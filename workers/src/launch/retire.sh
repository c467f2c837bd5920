# Removes the run directory of a command that is gone and had no effect, so that its attempt can be made anew. NAME

rm -rf "$R/var/lib/vsjob/run/$1"
