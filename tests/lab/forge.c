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

struct dirent *readdir(DIR *folder) {
	static struct dirent *(*next)(DIR *);
	if (!next)
		next = (struct dirent * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir");
	struct dirent *entry = next(folder);
	if (entry)
		forge(entry->d_name);
	return entry;
}

struct dirent64 *readdir64(DIR *folder) {
	static struct dirent64 *(*next)(DIR *);
	if (!next)
		next = (struct dirent64 * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir64");
	struct dirent64 *entry = next(folder);
	if (entry)
		forge(entry->d_name);
	return entry;
}
