/*
 * Sums of whole blocks with SSE2 and AVX2, for TinyCC on x86-64: it does not
 * vectorize. Other compilers do, and use the plain C of checksum.c.
 *
 * pmaddwd multiplies signed words by 1 and adds pairs, so 0x8000 is subtracted
 * from each word first, and BIAS makes up for it in the end.
 *
 * AVX2 instructions stand as their encodings, which TinyCC does not know. The
 * macros below are the parts of loops here and in split_x86.c: macros, because
 * TinyCC inlines no function.
 */

/* 0x8000 in each word of %ymm4, 1 in each of %ymm5. */
#define AVX2_CONSTANTS \
	".byte 0xc5,0xdd,0x75,0xe4\n\t"           /* vpcmpeqw %ymm4,%ymm4,%ymm4 */ \
	".byte 0xc5,0xd5,0x71,0xd4,0x0f\n\t"      /* vpsrlw $15,%ymm4,%ymm5 */ \
	".byte 0xc5,0xdd,0x71,0xf4,0x0f\n\t"      /* vpsllw $15,%ymm4,%ymm4 */

/* Adds the words of %ymm2, or %xmm2, to the sums in %ymm0. */
#define AVX2_ADD_32 \
	".byte 0xc5,0xed,0xf5,0xd5\n\t"           /* vpmaddwd %ymm5,%ymm2,%ymm2 */ \
	".byte 0xc5,0xfd,0xfe,0xc2\n\t"           /* vpaddd %ymm2,%ymm0,%ymm0 */
#define AVX2_ADD_16 \
	".byte 0xc5,0xe9,0xf5,0xd5\n\t"           /* vpmaddwd %xmm5,%xmm2,%xmm2 */ \
	".byte 0xc5,0xfd,0xfe,0xc2\n\t"           /* vpaddd %ymm2,%ymm0,%ymm0 */

/*
 * Sums %rcx blocks of 64 bytes at %rsi, and those of 32 and 16 that %edx has
 * bits for, to %ymm0 and %ymm1. The zero flag is set if %rcx is 0. LOAD_64,
 * LOAD_32 and LOAD_16 load the bytes with 0x8000 subtracted.
 */
#define AVX2_BLOCKS(LOAD_64, LOAD_32, LOAD_16) \
	".byte 0xc5,0xfd,0xef,0xc0\n\t"           /* vpxor %ymm0,%ymm0,%ymm0 */ \
	".byte 0xc5,0xf5,0xef,0xc9\n\t"           /* vpxor %ymm1,%ymm1,%ymm1 */ \
	"jz 2f\n" \
	"1:\n\t" \
	LOAD_64 \
	AVX2_ADD_32 \
	".byte 0xc5,0xe5,0xf5,0xdd\n\t"           /* vpmaddwd %ymm5,%ymm3,%ymm3 */ \
	".byte 0xc5,0xf5,0xfe,0xcb\n\t"           /* vpaddd %ymm3,%ymm1,%ymm1 */ \
	"addq $64, %%rsi\n\t" \
	"decq %%rcx\n\t" \
	"jnz 1b\n" \
	"2:\n\t" \
	"testl $32, %%edx\n\t" \
	"jz 3f\n\t" \
	LOAD_32 \
	AVX2_ADD_32 \
	"addq $32, %%rsi\n" \
	"3:\n\t" \
	"testl $16, %%edx\n\t" \
	"jz 4f\n\t" \
	LOAD_16 \
	AVX2_ADD_16 \
	"addq $16, %%rsi\n" \
	"4:\n\t"

/* The same, and copies the bytes to %rdi. */
#define AVX2_COPY_BLOCKS AVX2_BLOCKS( \
	".byte 0xc5,0xfe,0x6f,0x16\n\t"           /* vmovdqu (%rsi),%ymm2 */ \
	".byte 0xc5,0xfe,0x6f,0x5e,0x20\n\t"      /* vmovdqu 32(%rsi),%ymm3 */ \
	".byte 0xc5,0xfe,0x7f,0x17\n\t"           /* vmovdqu %ymm2,(%rdi) */ \
	".byte 0xc5,0xfe,0x7f,0x5f,0x20\n\t"      /* vmovdqu %ymm3,32(%rdi) */ \
	".byte 0xc5,0xed,0xef,0xd4\n\t"           /* vpxor %ymm4,%ymm2,%ymm2 */ \
	".byte 0xc5,0xe5,0xef,0xdc\n\t"           /* vpxor %ymm4,%ymm3,%ymm3 */ \
	"addq $64, %%rdi\n\t", \
	".byte 0xc5,0xfe,0x6f,0x16\n\t"           /* vmovdqu (%rsi),%ymm2 */ \
	".byte 0xc5,0xfe,0x7f,0x17\n\t"           /* vmovdqu %ymm2,(%rdi) */ \
	".byte 0xc5,0xed,0xef,0xd4\n\t"           /* vpxor %ymm4,%ymm2,%ymm2 */ \
	"addq $32, %%rdi\n\t", \
	".byte 0xc5,0xfa,0x6f,0x16\n\t"           /* vmovdqu (%rsi),%xmm2 */ \
	".byte 0xc5,0xfa,0x7f,0x17\n\t"           /* vmovdqu %xmm2,(%rdi) */ \
	".byte 0xc5,0xe9,0xef,0xd4\n\t"           /* vpxor %xmm4,%xmm2,%xmm2 */ \
	"addq $16, %%rdi\n\t")

/* The sum of all that is in %ymm0 and %ymm1, to %eax. */
#define AVX2_TOTAL \
	".byte 0xc5,0xfd,0xfe,0xc1\n\t"           /* vpaddd %ymm1,%ymm0,%ymm0 */ \
	".byte 0xc4,0xe3,0x7d,0x39,0xc1,0x01\n\t" /* vextracti128 $1,%ymm0,%xmm1 */ \
	".byte 0xc5,0xf9,0xfe,0xc1\n\t"           /* vpaddd %xmm1,%xmm0,%xmm0 */ \
	".byte 0xc5,0xf9,0x70,0xc8,0x4e\n\t"      /* vpshufd $0x4e,%xmm0,%xmm1 */ \
	".byte 0xc5,0xf9,0xfe,0xc1\n\t"           /* vpaddd %xmm1,%xmm0,%xmm0 */ \
	".byte 0xc5,0xf9,0x70,0xc8,0xb1\n\t"      /* vpshufd $0xb1,%xmm0,%xmm1 */ \
	".byte 0xc5,0xf9,0xfe,0xc1\n\t"           /* vpaddd %xmm1,%xmm0,%xmm0 */ \
	".byte 0xc5,0xf9,0x7e,0xc0\n\t"           /* vmovd %xmm0,%eax */

/* Ends a piece of code with AVX2: SSE instructions are slow before it. */
#define AVX2_END ".byte 0xc5,0xf8,0x77\n\t"    /* vzeroupper */

#if defined(__TINYC__) && defined(__x86_64__)
#define HAS_LOOPS
#define LOOP_CLOBBERS
#define BIAS(n) ((u32)(n) >> 4 << 18)

/* For fewer bytes AVX2 is not worth its set-up. */
enum { AVX2_MIN = 96 };

/*
 * SSE2, which every x86-64 has: sums %1 blocks of 32 bytes at %0, and one of
 * 16 if %2. The four sums go to %3. WITH_32 and WITH_16 may use the bytes.
 */
#define SUM_BLOCKS(WITH_32, WITH_16) \
	"pcmpeqw %%xmm4, %%xmm4\n\t" \
	"pcmpeqw %%xmm5, %%xmm5\n\t" \
	"psllw $15, %%xmm4\n\t" \
	"psrlw $15, %%xmm5\n\t" \
	"pxor %%xmm0, %%xmm0\n\t" \
	"pxor %%xmm1, %%xmm1\n\t" \
	"testq %1, %1\n\t" \
	"jz 2f\n" \
	"1:\n\t" \
	"movups (%0), %%xmm2\n\t" \
	"movups 16(%0), %%xmm3\n\t" \
	WITH_32 \
	"pxor %%xmm4, %%xmm2\n\t" \
	"pxor %%xmm4, %%xmm3\n\t" \
	"pmaddwd %%xmm5, %%xmm2\n\t" \
	"pmaddwd %%xmm5, %%xmm3\n\t" \
	"paddd %%xmm2, %%xmm0\n\t" \
	"paddd %%xmm3, %%xmm1\n\t" \
	"leaq 32(%0), %0\n\t" \
	"decq %1\n\t" \
	"jnz 1b\n" \
	"2:\n\t" \
	"testq %2, %2\n\t" \
	"jz 3f\n\t" \
	"movups (%0), %%xmm2\n\t" \
	WITH_16 \
	"pxor %%xmm4, %%xmm2\n\t" \
	"pmaddwd %%xmm5, %%xmm2\n\t" \
	"paddd %%xmm2, %%xmm0\n\t" \
	"leaq 16(%0), %0\n" \
	"3:\n\t" \
	"paddd %%xmm1, %%xmm0\n\t" \
	"movups %%xmm0, (%3)\n\t"

/* The whole loops of checksum.c, for blocks at %rsi as above. The sum goes to %eax. */
#define AVX2_SUM \
	AVX2_CONSTANTS \
	"testq %%rcx, %%rcx\n\t" \
	AVX2_BLOCKS( \
	".byte 0xc5,0xdd,0xef,0x16\n\t"           /* vpxor (%rsi),%ymm4,%ymm2 */ \
	".byte 0xc5,0xdd,0xef,0x5e,0x20\n\t",     /* vpxor 32(%rsi),%ymm4,%ymm3 */ \
	".byte 0xc5,0xdd,0xef,0x16\n\t",          /* vpxor (%rsi),%ymm4,%ymm2 */ \
	".byte 0xc5,0xd9,0xef,0x16\n\t")          /* vpxor (%rsi),%xmm4,%xmm2 */ \
	AVX2_TOTAL \
	AVX2_END
#define AVX2_COPY_SUM AVX2_CONSTANTS "testq %%rcx, %%rcx\n\t" AVX2_COPY_BLOCKS AVX2_TOTAL AVX2_END

/* Tells whether to use AVX2: the processor has it, and the system saves its registers (Intel SDM volume 1, section 14.7.1). */
static int has_avx2;

static void detect_avx2(void)
{
	u32 feature = 0, saved = 0, wide = 0;
	__asm__ volatile (
		"pushq %%rbx\n\t"
		"xorl %%r8d, %%r8d\n\t"
		"xorl %%eax, %%eax\n\t"
		"cpuid\n\t"
		"cmpl $7, %%eax\n\t"
		"jb 1f\n\t"
		"movl $1, %%eax\n\t"
		"cpuid\n\t"
		"movl %%ecx, %%esi\n\t"
		"testl $0x08000000, %%esi\n\t"
		"jz 1f\n\t"
		"xorl %%ecx, %%ecx\n\t"
		".byte 0x0f,0x01,0xd0\n\t"            /* xgetbv */
		"movl %%eax, %%edi\n\t"
		"movl $7, %%eax\n\t"
		"xorl %%ecx, %%ecx\n\t"
		"cpuid\n\t"
		"movl %%ebx, %%r8d\n"
		"1:\n\t"
		"popq %%rbx\n\t"
		"movl %%r8d, %%eax\n\t"
		: "+S"(feature), "+D"(saved), "=a"(wide) : : "rcx", "rdx", "r8", "cc");
	has_avx2 = (feature >> 28 & 1) && (saved & 6) == 6 && (wide >> 5 & 1);
}
#else
static void detect_avx2(void) { }
#endif
