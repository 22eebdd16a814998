/*
 * ChaCha20-Poly1305 (RFC 8439) over batches of data messages, by the system's
 * libcrypto. No header: Bun's compiler has none on a bare machine. The
 * functions and numbers are those of openssl/evp.h, the same since 1.1.0.
 * All functions return 0, or -1 where libcrypto says no.
 */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

void *dlopen(const char *file, int mode);
void *dlsym(void *library, const char *name);

enum {
	RTLD_NOW_ = 2,
	EVP_CTRL_AEAD_GET_TAG_ = 0x10,
	EVP_CTRL_AEAD_SET_TAG_ = 0x11,
	HEADER = 16,
	TAG = 16,
	PADDING = 16,
	DATA = 4
};

static const void *(*chacha20_poly1305)(void);
static void *(*ctx_new)(void);
static void (*ctx_free)(void *ctx);
static int (*cipher_init)(void *ctx, const void *cipher, void *engine, const u8 *key, const u8 *nonce, int encrypt);
static int (*cipher_update)(void *ctx, u8 *out, int *length, const u8 *in, int bytes);
static int (*cipher_final)(void *ctx, u8 *out, int *length);
static int (*ctx_ctrl)(void *ctx, int command, int argument, void *pointer);

static int aead_load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW_);
	if (!library)
		return -1;
	chacha20_poly1305 = (const void *(*)(void))dlsym(library, "EVP_chacha20_poly1305");
	ctx_new = (void *(*)(void))dlsym(library, "EVP_CIPHER_CTX_new");
	ctx_free = (void (*)(void *))dlsym(library, "EVP_CIPHER_CTX_free");
	cipher_init = (int (*)(void *, const void *, void *, const u8 *, const u8 *, int))dlsym(library, "EVP_CipherInit_ex");
	cipher_update = (int (*)(void *, u8 *, int *, const u8 *, int))dlsym(library, "EVP_CipherUpdate");
	cipher_final = (int (*)(void *, u8 *, int *))dlsym(library, "EVP_CipherFinal_ex");
	ctx_ctrl = (int (*)(void *, int, int, void *))dlsym(library, "EVP_CIPHER_CTX_ctrl");
	return chacha20_poly1305 && ctx_new && ctx_free && cipher_init && cipher_update && cipher_final && ctx_ctrl ? 0 : -1;
}

/* A context with its key set; each message then sets its nonce alone. */
static int aead_key(const u8 *key, int encrypt, void **made)
{
	void *ctx = ctx_new();
	if (!ctx)
		return -1;
	if (cipher_init(ctx, chacha20_poly1305(), 0, key, 0, encrypt) != 1) {
		ctx_free(ctx);
		return -1;
	}
	*made = ctx;
	return 0;
}

/* libcrypto overwrites the key before it frees it. */
static int aead_free(void *ctx)
{
	ctx_free(ctx);
	return 0;
}

static void put_u32(u8 *at, u32 value)
{
	at[0] = (u8)value;
	at[1] = (u8)(value >> 8);
	at[2] = (u8)(value >> 16);
	at[3] = (u8)(value >> 24);
}

static int padded_length(int length, int mtu)
{
	int padded = (length + PADDING - 1) & ~(PADDING - 1);
	if (length > mtu)
		return length;
	return padded > mtu ? mtu : padded;
}

/* The nonce is four zero bytes and the counter, which stands in the header. */
static int set_nonce(void *ctx, const u8 *message, int encrypt)
{
	u8 nonce[12];
	int i;
	for (i = 0; i < 4; i++)
		nonce[i] = 0;
	for (i = 0; i < 8; i++)
		nonce[4 + i] = message[8 + i];
	return cipher_init(ctx, 0, 0, 0, nonce, encrypt) == 1;
}

static int seal(void *ctx, u8 *message, const u8 *packet, int length, int padded)
{
	static const u8 zeros[PADDING];
	u8 *out = message + HEADER;
	int n;
	if (!set_nonce(ctx, message, 1))
		return -1;
	if (length > 0 && cipher_update(ctx, out, &n, packet, length) != 1)
		return -1;
	if (padded > length && cipher_update(ctx, out + length, &n, zeros, padded - length) != 1)
		return -1;
	if (cipher_final(ctx, out + padded, &n) != 1)
		return -1;
	return ctx_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG_, TAG, out + padded) == 1 ? 0 : -1;
}

/* `lengths` has those of the packets, and gets those of the messages. */
static int aead_seal(void *ctx, const double *packets, int *lengths, int count, int mtu, u32 receiver, u32 high, u32 low, u8 *out)
{
	u64 counter = (u64)high << 32 | low;
	int i;
	for (i = 0; i < count; i++, counter++) {
		int padded = padded_length(lengths[i], mtu);
		put_u32(out, DATA);
		put_u32(out + 4, receiver);
		put_u32(out + 8, (u32)counter);
		put_u32(out + 12, (u32)(counter >> 32));
		if (seal(ctx, out, (const u8 *)(u64)packets[i], lengths[i], padded) < 0)
			return -1;
		lengths[i] = HEADER + padded + TAG;
		out += lengths[i];
	}
	return 0;
}

static int open_message(void *ctx, u8 *message, int length)
{
	u8 *packet = message + HEADER;
	int bytes = length - HEADER - TAG, n;
	if (!set_nonce(ctx, message, 0))
		return -1;
	if (ctx_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG_, TAG, packet + bytes) != 1)
		return -1;
	if (bytes > 0 && cipher_update(ctx, packet, &n, packet, bytes) != 1)
		return -1;
	return cipher_final(ctx, packet + bytes, &n) == 1 ? bytes : -1;
}

/* `lengths` has those of the messages, and gets those of the packets, or -1. */
static int aead_open(void *ctx, const double *messages, int *lengths, int count)
{
	int i;
	for (i = 0; i < count; i++)
		lengths[i] = open_message(ctx, (u8 *)(u64)messages[i], lengths[i]);
	return 0;
}

/* As in native/exports.c: bound by address, as `cc` itself misreads integers. */
#define EXPORTS(EXPORT) \
	EXPORT(aead_load, "ptr") \
	EXPORT(aead_key, "ptr i32 ptr") \
	EXPORT(aead_free, "ptr") \
	EXPORT(aead_seal, "ptr ptr ptr i32 i32 u32 u32 u32 ptr") \
	EXPORT(aead_open, "ptr ptr ptr i32")

#define EXPORT_LINE(function, parameters) #function " " parameters "\n"
#define EXPORT_ADDRESS(function, parameters) (void *)function,

static void *const addresses[] = { EXPORTS(EXPORT_ADDRESS) };
static const struct { const char *lines; void *const *addresses; } library = { EXPORTS(EXPORT_LINE), addresses };

const void *aead_library(void)
{
	return &library;
}
