/* A host that sends a forged list of its files: loaded into its rsync, names of folders' entries become paths. What it
 * then looks at are real files of its own, so that all it says of them is in order. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <string.h>

static void forge(char *name) {
	if (strcmp(name, "upwards-1") == 0)
		memcpy(name, "../escape", 9);
	if (strcmp(name, "link-evil") == 0)
		memcpy(name, "link/evil", 9);
}

/* Whichever of the two rsync was built with. */
#define FORGES(function, entries)                                              \
	struct entries *function(DIR *folder) {                                    \
		static struct entries *(*next)(DIR *);                                 \
		if (!next)                                                             \
			next = (struct entries * (*)(DIR *)) dlsym(RTLD_NEXT, #function);  \
		struct entries *entry = next(folder);                                  \
		if (entry)                                                             \
			forge(entry->d_name);                                              \
		return entry;                                                          \
	}
FORGES(readdir, dirent)
FORGES(readdir64, dirent64)
