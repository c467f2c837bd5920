# Of storages whose volumes are always there, and pictures of them too.

volume_path() { printf '%s' "$volumes/$1"; }
volume_exists() { [ -d "$volumes/$1" ] && [ ! -L "$volumes/$1" ]; }
volume_list() { volume_folders; }

# volume_command NAME: a line for a shell that makes its tree be at its path, and then is true. For those who rely on it after a
# reboot.
volume_command() { printf ':'; }

# volume_sound NAME: whether it is what it was made as.
volume_sound() { volume_exists "$1"; }

# volume_check NAME: the same as a line for a shell, for those who rely on it later. If it is not, the line says so and ends it.
volume_check() { printf ':'; }
