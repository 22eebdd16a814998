/*
 * Packets of one size by the run, for x86-64 with AVX2: what split.c and merge.c
 * do for one packet after the other, in loops that stay in registers. TinyCC
 * keeps every variable in memory, and inlines no function. The parts that they
 * share with sums of single packets are in checksum_x86.c.
 */

#if defined(HAS_LOOPS)
/* Bytes of headers, and the least payload: its last bytes are loaded as a whole block. */
enum { LOOP_HEADERS = 128, LOOP_BODY_MIN = 16 };

/* The sum that is missing because 0x8000 was subtracted from each word, for a payload of `n` bytes (see BIAS). */
static u64 loop_bias(int n) { return (u64)((n + 15) >> 4) << 18; }

/* Copies %edx bytes, an even number, from %rsi to %rdi, which go on behind them, and sums them to %eax. The mask is at %r8. */
#define LOOP_COPY_SUM \
	"movl %%edx,%%ecx\n\t" \
	"shrl $6,%%ecx\n\t" \
	AVX2_COPY_BLOCKS \
	"andl $15,%%edx\n\t" \
	"jz 5f\n\t" \
	".byte 0xc5,0xfa,0x6f,0x54,0x16,0xf0\n\t"     /* vmovdqu -16(%rsi,%rdx),%xmm2 */ \
	".byte 0xc5,0xfa,0x7f,0x54,0x17,0xf0\n\t"     /* vmovdqu %xmm2,-16(%rdi,%rdx) */ \
	".byte 0xc4,0xc1,0x69,0xdb,0x14,0x10\n\t"     /* vpand (%r8,%rdx),%xmm2,%xmm2 */ \
	".byte 0xc5,0xe9,0xef,0xd4\n\t"               /* vpxor %xmm4,%xmm2,%xmm2 */ \
	AVX2_ADD_16 \
	"addq %%rdx,%%rsi\n\t" \
	"addq %%rdx,%%rdi\n\t" \
	"5:\n\t" \
	AVX2_TOTAL

/* Folds %rax into %ax. */
#define LOOP_FOLD \
	"movq %%rax,%%rcx\n\t" \
	"shrq $32,%%rcx\n\t" \
	"addl %%ecx,%%eax\n\t" \
	"adcl $0,%%eax\n\t" \
	"movl %%eax,%%ecx\n\t" \
	"shrl $16,%%ecx\n\t" \
	"addw %%cx,%%ax\n\t" \
	"adcw $0,%%ax\n\t"

/* Begins with 16 bytes of 0 and 16 of 0xff: at n, the mask for the last n bytes of a block. */
static void loop_mask(u8 *mask)
{
	memset(mask, 0, 16);
	memset(mask + 16, 0xff, 16);
}

/* Packets to split off. The code below knows the places of the members: 32, 160, 168 and so on. */
struct split_loop {
	u8 mask[32], headers[LOOP_HEADERS];
	const u8 *from;
	u8 *to;
	/* Packets, which may not be 0; length of the headers, the same in whole blocks, and of the payload. */
	u64 count, header, blocks, body;
	/* The transport checksum without sequence number and payload; sequence number, its place (0 for UDP), that of the checksum. */
	u64 bias, sum, sequence, sequence_at, check_at;
	/* Place of an IPv4 header, or -1; its sum without the identification. */
	long ip;
	u64 ip_sum, id;
};

static void split_by_loop(struct split_loop *l)
{
	__asm__ volatile (
		"movq %%rdi, %%r8\n\t"
		AVX2_CONSTANTS
		"movq 160(%%r8),%%rsi\n\t"
		"movq 168(%%r8),%%rdi\n\t"
		"movq 176(%%r8),%%r9\n\t"
		"6:\n\t"
		/* The headers, in whole blocks: what is too much is overwritten by the payload. */
		"movq 192(%%r8),%%rcx\n\t"
		"7:\n\t"
		".byte 0xc4,0xc1,0x7a,0x6f,0x44,0x08,0x10\n\t" /* vmovdqu 16(%r8,%rcx),%xmm0 */
		".byte 0xc5,0xfa,0x7f,0x44,0x0f,0xf0\n\t"     /* vmovdqu %xmm0,-16(%rdi,%rcx) */
		"subq $16,%%rcx\n\t"
		"jnz 7b\n\t"
		"movq %%rdi,%%r10\n\t"
		"addq 184(%%r8),%%rdi\n\t"
		"movl 200(%%r8),%%edx\n\t"
		LOOP_COPY_SUM
		"addl 208(%%r8),%%eax\n\t"
		"addq 216(%%r8),%%rax\n\t"
		/* TCP: the sequence number */
		"movq 232(%%r8),%%rdx\n\t"
		"testq %%rdx,%%rdx\n\t"
		"jz 8f\n\t"
		"movl 224(%%r8),%%ecx\n\t"
		"movl 200(%%r8),%%r11d\n\t"
		"addl %%ecx,%%r11d\n\t"
		"movl %%r11d,224(%%r8)\n\t"
		"bswapl %%ecx\n\t"
		"movl %%ecx,(%%r10,%%rdx)\n\t"
		"addq %%rcx,%%rax\n\t"
		"8:\n\t"
		LOOP_FOLD
		"notl %%eax\n\t"
		/* UDP: 0 would mean that there is no checksum */
		"testq %%rdx,%%rdx\n\t"
		"jnz 8f\n\t"
		"testw %%ax,%%ax\n\t"
		"jnz 8f\n\t"
		"decl %%eax\n\t"
		"8:\n\t"
		"movq 240(%%r8),%%rdx\n\t"
		"movw %%ax,(%%r10,%%rdx)\n\t"
		/* IPv4: identification and checksum */
		"movq 248(%%r8),%%rdx\n\t"
		"testq %%rdx,%%rdx\n\t"
		"js 9f\n\t"
		"movl 264(%%r8),%%ecx\n\t"
		"incl 264(%%r8)\n\t"
		"rolw $8,%%cx\n\t"
		"movzwl %%cx,%%ecx\n\t"
		"movw %%cx,4(%%r10,%%rdx)\n\t"
		"addl 256(%%r8),%%ecx\n\t"
		"movl %%ecx,%%eax\n\t"
		"shrl $16,%%eax\n\t"
		"addw %%ax,%%cx\n\t"
		"adcw $0,%%cx\n\t"
		"notl %%ecx\n\t"
		"movw %%cx,10(%%r10,%%rdx)\n\t"
		"9:\n\t"
		"decq %%r9\n\t"
		"jnz 6b\n\t"
		AVX2_END
		"movq %%rsi,160(%%r8)\n\t"
		"movq %%rdi,168(%%r8)\n\t"
		: "+D"(l) : : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc" LOOP_CLOBBERS);
}
#endif
