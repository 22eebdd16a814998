/** The package has no declarations. Its export makes an instance of the WebAssembly module. */
declare module "libsodium" {
  const createSodium: () => Promise<unknown>;
  export default createSodium;
}
