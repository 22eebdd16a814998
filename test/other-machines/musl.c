/* What a libstdc++ and a libgcc made for glibc ask of libc, and musl 1.2.3 lacks. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <time.h>

__attribute__((visibility("hidden"))) void *__dso_handle = &__dso_handle;
char __libc_single_threaded;
unsigned arc4random(void) { return 4; }
size_t __strftime_l(char *s, size_t n, const char *f, const struct tm *t, locale_t l) { return strftime_l(s, n, f, t, l); }

/* Finds the object of an address, as _dl_find_object() does for the unwinder (glibc's dlfcn.h). */
static int find(struct dl_phdr_info *info, size_t size, void *result)
{
	struct dl_find_object *o = result;
	int i, inside = 0;
	void *frames = 0;
	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		char *start = (char *)info->dlpi_addr + p->p_vaddr;
		if (p->p_type == PT_LOAD && (char *)o->dlfo_map_end >= start && (char *)o->dlfo_map_end < start + p->p_memsz)
			inside = 1;
		if (p->p_type == PT_GNU_EH_FRAME)
			frames = start;
	}
	o->dlfo_eh_frame = frames;
	return inside && frames;
}

int _dl_find_object(void *pc, struct dl_find_object *o)
{
	o->dlfo_map_end = pc;
	o->dlfo_map_start = 0;
	return dl_iterate_phdr(find, o) ? 0 : -1;
}
