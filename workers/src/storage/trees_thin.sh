# Of lvm-thin: each generation has a volume of its own, for as long as it is kept.

tree_open() { volume_open "$1"; }

# tree_finish NAME BASE
tree_finish() { durable_tree "$(volume_path "$1")"; }

# tree_settle NAME BASE
tree_settle() { :; }

tree_is_settled() { return 1; }
