/*
 * What the fuzz targets share: the C under test, with reads and writes that
 * they hand in and take out, and a checksum that is written in another way.
 */
#if defined(__x86_64__)
/* The loops, which only TinyCC uses otherwise. Each target tries them with inputs of an odd length. */
#define HAS_LOOPS
#define LOOP_CLOBBERS , "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5"
static int has_avx2;
#define USE_LOOPS(on) (has_avx2 = (on) && __builtin_cpu_supports("avx2"))
#else
#define USE_LOOPS(on) ((on) & 0)
#endif
#include "../../../../native/kernel.c"
#include "../../../../native/base.c"
#include "../../../../native/descriptors.c"
#include "../../../../native/tun.c"
#include "../../../../native/checksum_x86.c"
#include "../../../../native/checksum.c"
#include "../../../../native/parts.c"
#include "../../../../native/split_x86.c"
#include "../../../../native/split.c"
#include "../../../../native/vnet.c"
#include "../../../../native/merge_x86.c"
#include "../../../../native/run.c"
#include "../../../../native/merge.c"
#include "../../../../native/flows.c"
#include "../../../../native/write_run.c"
#include "../../../../native/coalesce.c"

#if defined(HAS_LOOPS)
/* The places that the loops know. */
#define PLACE(type, member, at) _Static_assert(__builtin_offsetof(struct type, member) == (at), #type "." #member)
PLACE(split_loop, headers, 32);
PLACE(split_loop, from, 160);
PLACE(split_loop, id, 264);
PLACE(merge_loop, headers, 32);
PLACE(merge_loop, care, 160);
PLACE(merge_loop, base, 288);
PLACE(merge_loop, number, 448);
#endif

extern void *malloc(size);
extern void free(void *);
extern int memcmp(const void *, const void *, size);
extern int printf(const char *, ...);
extern void abort(void);

enum { EAGAIN = 11, EINVAL = 22, ENOBUFS = 105 };

#define CHECK(condition) do { if (!(condition)) { printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); abort(); } } while (0)

static u8 *copy_of(const u8 *bytes, int n)
{
	/* Of exactly that size, so that AddressSanitizer sees what is read or written beside it. */
	u8 *copy = malloc((size)n);
	memcpy(copy, bytes, (size)n);
	return copy;
}

static u32 slow_add(u32 a, u32 b) { return a + b > 0xffff ? a + b - 0xffff : a + b; }

/* RFC 1071 in network order, one 16-bit word after the other; 0 to 0xffff. Of 128 KiB at most, or it would not fit. */
static u32 slow_sum(u32 first, const u8 *p, int n)
{
	u32 sum = 0;
	int i;
	for (i = 0; i + 1 < n; i += 2)
		sum += (u32)p[i] << 8 | p[i + 1];
	if (i < n)
		sum += (u32)p[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	return slow_add(first, slow_add(sum & 0xffff, sum >> 16));
}

/* 0 and 0xffff are one number in a sum. */
static int is_same_sum(u32 a, u32 b) { return a % 0xffff == b % 0xffff; }
