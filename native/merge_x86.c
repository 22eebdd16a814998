/* The loop for packets that are merged: see split_x86.c. */

#if defined(HAS_LOOPS)
/* Packets that continue a run. The code below knows the places of the members: 32, 160, 288 and so on. */
struct merge_loop {
	/* The headers of the first packet, and the bits of them that the others must share. */
	u8 mask[32], headers[LOOP_HEADERS], care[LOOP_HEADERS];
	const u8 *base;
	const int *offsets, *lengths;
	/* Places to note the payload of the next packet, and the number of the packet behind it. */
	struct iovec *pieces;
	int *next;
	/* The destination of the next payload. */
	u8 *copy;
	/* Packets at most; length of each, of its headers, of these in whole blocks, of its payload. */
	u64 count, length, header, blocks, body;
	/* The transport checksum without sequence number, checksum and payload; sequence number, its place (0 for UDP), that of the checksum. */
	u64 bias, sum, sequence, sequence_at, check_at;
	/* Place of an IPv4 header, or -1; its sum without identification and checksum; the bits in which the identification counts up. */
	long ip;
	u64 ip_sum, id, id_mask;
	/* Number of the next packet in the window. */
	u64 number;
};

/* Takes packets until one does not continue the run. Returns how many. */
static int merge_by_loop(struct merge_loop *l)
{
	long taken;
	__asm__ volatile (
		"movq %%rdi, %%r8\n\t"
		AVX2_CONSTANTS
		"xorl %%r11d,%%r11d\n\t"
		"6:\n\t"
		"cmpq 336(%%r8),%%r11\n\t"
		"jae 9f\n\t"
		"movq 304(%%r8),%%rax\n\t"
		"movl (%%rax,%%r11,4),%%ecx\n\t"
		"cmpl 344(%%r8),%%ecx\n\t"
		"jne 9f\n\t"
		"movq 296(%%r8),%%rax\n\t"
		"movslq (%%rax,%%r11,4),%%rsi\n\t"
		"addq 288(%%r8),%%rsi\n\t"
		/* The headers, in whole blocks: the packet is as long as these. */
		"movq 360(%%r8),%%rcx\n\t"
		".byte 0xc5,0xe9,0xef,0xd2\n\t"               /* vpxor %xmm2,%xmm2,%xmm2 */
		"7:\n\t"
		".byte 0xc5,0xfa,0x6f,0x44,0x0e,0xf0\n\t"     /* vmovdqu -16(%rsi,%rcx),%xmm0 */
		".byte 0xc4,0xc1,0x79,0xef,0x44,0x08,0x10\n\t" /* vpxor 16(%r8,%rcx),%xmm0,%xmm0 */
		".byte 0xc4,0xc1,0x79,0xdb,0x84,0x08,0x90,0x00,0x00,0x00\n\t" /* vpand 144(%r8,%rcx),%xmm0,%xmm0 */
		".byte 0xc5,0xe9,0xeb,0xd0\n\t"               /* vpor %xmm0,%xmm2,%xmm2 */
		"subq $16,%%rcx\n\t"
		"jnz 7b\n\t"
		".byte 0xc4,0xe2,0x79,0x17,0xd2\n\t"          /* vptest %xmm2,%xmm2 */
		"jnz 9f\n\t"
		/* TCP: the sequence number; UDP: whether there is a checksum */
		"movq 384(%%r8),%%r10\n\t"
		"movq 408(%%r8),%%rdx\n\t"
		"movzwl (%%rsi,%%rdx),%%eax\n\t"
		"addq %%rax,%%r10\n\t"
		"movq 400(%%r8),%%rdx\n\t"
		"testq %%rdx,%%rdx\n\t"
		"jz 8f\n\t"
		"movl (%%rsi,%%rdx),%%ecx\n\t"
		"addq %%rcx,%%r10\n\t"
		"bswapl %%ecx\n\t"
		"cmpl 392(%%r8),%%ecx\n\t"
		"movl $1,%%eax\n\t"
		"jne 9f\n\t"
		"8:\n\t"
		"testl %%eax,%%eax\n\t"
		"jz 9f\n\t"
		/* IPv4: identification and checksum */
		"movq 416(%%r8),%%rdx\n\t"
		"testq %%rdx,%%rdx\n\t"
		"js 1f\n\t"
		"movzwl 4(%%rsi,%%rdx),%%eax\n\t"
		"movzwl 10(%%rsi,%%rdx),%%ecx\n\t"
		"addl %%eax,%%ecx\n\t"
		"addl 424(%%r8),%%ecx\n\t"
		"rolw $8,%%ax\n\t"
		"xorl 432(%%r8),%%eax\n\t"
		"testl %%eax,440(%%r8)\n\t"
		"jnz 9f\n\t"
		"movl %%ecx,%%eax\n\t"
		"shrl $16,%%eax\n\t"
		"addw %%ax,%%cx\n\t"
		"adcw $0,%%cx\n\t"
		"cmpw $0xffff,%%cx\n\t"
		"jne 9f\n\t"
		"1:\n\t"
		"addq 352(%%r8),%%rsi\n\t"
		"movq %%rsi,%%r9\n\t"
		"movq 328(%%r8),%%rdi\n\t"
		"movl 368(%%r8),%%edx\n\t"
		LOOP_COPY_SUM
		"addl 376(%%r8),%%eax\n\t"
		"addq %%r10,%%rax\n\t"
		LOOP_FOLD
		"cmpw $0xffff,%%ax\n\t"
		"jne 9f\n\t"
		/* The packet is taken */
		"movq 312(%%r8),%%rdx\n\t"
		"movq 368(%%r8),%%rcx\n\t"
		"movq %%r9,(%%rdx)\n\t"
		"movq %%rcx,8(%%rdx)\n\t"
		"addq $16,312(%%r8)\n\t"
		"addq %%rcx,328(%%r8)\n\t"
		"addl %%ecx,392(%%r8)\n\t"
		"incl 432(%%r8)\n\t"
		"movq 320(%%r8),%%rdx\n\t"
		"movl 448(%%r8),%%ecx\n\t"
		"incl %%ecx\n\t"
		"movl %%ecx,448(%%r8)\n\t"
		"movl %%ecx,(%%rdx,%%r11,4)\n\t"
		"incq %%r11\n\t"
		"jmp 6b\n\t"
		"9:\n\t"
		AVX2_END
		"movl %%r11d,%%eax\n\t"
		: "=a"(taken), "+D"(l) : : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc" LOOP_CLOBBERS);
	return (int)taken;
}
#endif
