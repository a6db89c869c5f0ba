/** Imports the package, and prints how long that took and how often WebAssembly was compiled or instantiated. */
let compiled = 0;
const counted = <Target extends object>(target: Target): Target =>
  new Proxy(target, {
    apply(called, self, parameters) {
      compiled++;
      return Reflect.apply(called as never, self, parameters);
    },
    construct(called, parameters) {
      compiled++;
      return Reflect.construct(called as never, parameters) as object;
    },
  });
const api = WebAssembly as unknown as Record<string, object>;
for (const name of ['Module', 'Instance', 'compile', 'compileStreaming', 'instantiate', 'instantiateStreaming']) {
  if (api[name] !== undefined) api[name] = counted(api[name]);
}
const start = performance.now();
await import('../../src/index.ts');
console.log(`${performance.now() - start} ${compiled}`);
export {};
