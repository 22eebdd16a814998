/* A main() that runs the files that it is given once each, where there is no libFuzzer. */
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int main(int count, char **names)
{
	for (int i = 1; i < count; i++) {
		FILE *file = fopen(names[i], "rb");
		unsigned char *data = malloc(1 << 20);
		size_t size;
		if (!file || !data)
			return 2;
		size = fread(data, 1, 1 << 20, file);
		fclose(file);
		/* Of exactly its size, so that what is read beside it shows. */
		data = realloc(data, size ? size : 1);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	printf("%d inputs\n", count - 1);
	return 0;
}
