/*
 * Bytes as numbers, and the Internet checksum (RFC 1071) over them. Pure.
 *
 * Sums are one's complement sums of 16-bit words in machine order: until a sum
 * is stored, one byte order serves as well as the other (RFC 1071 section 2).
 */

static u32 get16(const u8 *p) { return (u32)p[0] << 8 | p[1]; }
static u32 get32(const u8 *p) { return get16(p) << 16 | get16(p + 2); }
static void put16(u8 *p, u32 v) { p[0] = (u8)(v >> 8); p[1] = (u8)v; }

/*
 * Unaligned loads and stores in machine order, and conversions between that and network order. TinyCC inlines no
 * function, not even memcpy, so code that runs for each packet of a super-packet uses these macros.
 */
#if defined(__TINYC__)
#define LOAD16(p) (*(const u16 *)(p))
#define LOAD32(p) (*(const u32 *)(p))
#define LOAD64(p) (*(const u64 *)(p))
#define STORE16(p, v) (*(u16 *)(p) = (u16)(v))
#define STORE32(p, v) (*(u32 *)(p) = (v))
#else
static u16 load16(const u8 *p) { u16 v; memcpy(&v, p, 2); return v; }
static u32 load32(const u8 *p) { u32 v; memcpy(&v, p, 4); return v; }
static u64 load64(const u8 *p) { u64 v; memcpy(&v, p, 8); return v; }
static void store16(u8 *p, u32 v) { u16 bytes = (u16)v; memcpy(p, &bytes, 2); }
static void store32(u8 *p, u32 v) { memcpy(p, &v, 4); }
#define LOAD16 load16
#define LOAD32 load32
#define LOAD64 load64
#define STORE16 store16
#define STORE32 store32
#endif
#define SWAP16(v) (((u32)(v) & 0xff) << 8 | ((u32)(v) >> 8 & 0xff))
#define SWAP32(v) (SWAP16(v) << 16 | SWAP16((v) >> 16))

/* Folds a sum of up to 2^16 words into 16 bits: two carries are the most that there are. `sum` is a variable. */
#define CARRY(sum) (((sum) & 0xffff) + ((sum) >> 16))
#define FOLD(sum) ((u16)(CARRY(sum) + (CARRY(sum) >> 16)))

/* The number that takes a word out of a sum when it is added: in one's complement the inverse is the negative. */
#define MINUS(word) ((u32)(word) ^ 0xffff)

/* The sum of the words of a number. */
#define WORDS64(v) ((u32)((v) & 0xffff) + (u32)((v) >> 16 & 0xffff) + (u32)((v) >> 32 & 0xffff) + (u32)((v) >> 48))
#define WORDS32(v) (((v) & 0xffff) + ((v) >> 16))

/* Adds the 16-bit words of `p`, up to 64 KiB, to a sum. An odd byte counts as if a zero followed it. */
static u32 add(u32 sum, const u8 *p, int n)
{
	u64 wide = 0;
#if defined(__TINYC__) && defined(__x86_64__)
	if (n >= AVX2_MIN && has_avx2) {
		long blocks = n >> 6;
		u32 r;
		__asm__ volatile (AVX2_SUM : "=a"(r), "+S"(p), "+c"(blocks) : "d"(n) : "memory", "cc");
		sum += BIAS(n) + r;
		n &= 15;
	} else if (n >= 16) {
		u32 sums[4], *out = sums;
		long blocks = n >> 5, half = n & 16;
		__asm__ volatile (SUM_BLOCKS("", "") : "+r"(p), "+r"(blocks), "+r"(half), "+r"(out) : : "memory", "cc");
		sum += BIAS(n) + sums[0] + sums[1] + sums[2] + sums[3];
		n &= 15;
	}
#endif
	for (; n >= 8; n -= 8, p += 8)
		wide += (u64)LOAD32(p) + LOAD32(p + 4);
	if (n & 4) {
		wide += LOAD32(p);
		p += 4;
	}
	sum += WORDS64(wide);
	if (n & 2) {
		sum += LOAD16(p);
		p += 2;
	}
	return n & 1 ? sum + *p : sum;
}

/* Copies `n` bytes and adds them to a sum, as add() does. */
static u32 copy_add(u32 sum, u8 *to, const u8 *p, int n)
{
#if defined(__TINYC__) && defined(__x86_64__)
	if (n >= AVX2_MIN && has_avx2) {
		long blocks = n >> 6;
		u32 r;
		__asm__ volatile (AVX2_COPY_SUM : "=a"(r), "+S"(p), "+c"(blocks), "+D"(to) : "d"(n) : "memory", "cc");
		sum += BIAS(n) + r;
		n &= 15;
	} else if (n >= 16) {
		u32 sums[4], *out = sums;
		long blocks = n >> 5, half = n & 16;
		__asm__ volatile (SUM_BLOCKS(
			"movups %%xmm2, (%4)\n\t"
			"movups %%xmm3, 16(%4)\n\t"
			"leaq 32(%4), %4\n\t",
			"movups %%xmm2, (%4)\n\t"
			"leaq 16(%4), %4\n\t")
			: "+r"(p), "+r"(blocks), "+r"(half), "+r"(out), "+r"(to) : : "memory", "cc");
		sum += BIAS(n) + sums[0] + sums[1] + sums[2] + sums[3];
		n &= 15;
	}
	if (n & 8) {
		u64 v = LOAD64(p);
		STORE32(to, (u32)v);
		STORE32(to + 4, (u32)(v >> 32));
		sum += WORDS64(v);
		p += 8;
		to += 8;
	}
	for (n &= 7; n > 1; n -= 2, p += 2, to += 2) {
		STORE16(to, LOAD16(p));
		sum += LOAD16(p);
	}
	if (n)
		sum += *to = *p;
	return sum;
#else
	memcpy(to, p, (size)n);
	return add(sum, to, n);
#endif
}

