/** The part of the WebAssembly JavaScript interface that is used here; Node has it, its types leave it to the DOM's. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: ArrayBufferView);
  }
  class Instance {
    constructor(module: Module, imports?: object);
    readonly exports: object;
  }
  class Memory {
    constructor(limits: { readonly initial: number; readonly maximum: number; readonly shared?: boolean });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  class Global {
    readonly value: number;
  }
  class RuntimeError extends Error {}
}
