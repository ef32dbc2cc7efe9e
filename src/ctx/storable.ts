/**
 * The types that the log can hold, so that the compiler refuses what the codec would refuse at run time
 * (`kernel/codec.ts`). Runs only in the compiler.
 */

/** What the log holds as it is, beside plain objects and arrays of it. */
type Leaf =
  | string
  | number
  | boolean
  | bigint
  | null
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: a body that returns nothing has this type
  | void
  | Date
  | URL
  | Error
  | ArrayBuffer
  | ArrayBufferView;

/** What stands where the log cannot hold something: no value has this type, so the compiler shows it. */
export interface CannotBeStored<Why extends string> {
  readonly "the log cannot hold this value": Why;
}

/**
 * What stands beside the type of a function that returns `T`: nothing if the log can hold `T`, else a type that no
 * function has, so that the compiler refuses it and its message says why.
 */
export type IfStorable<T> = [Known<T>] extends [Storable<Known<T>>] ? unknown : Storable<Known<T>>;

/** `T`, which is not inferred from here. The language's `NoInfer` hides what a union with a list in it is made of. */
type Known<T> = [T][T extends unknown ? 0 : never];

type IsAny<T> = 0 extends 1 & T ? true : false;

/**
 * `T` itself if the log can hold it; else a type to which `T` is not assignable, and whose text says why. `any` and
 * `unknown` pass: they are checked at run time.
 */
export type Storable<T> =
  IsAny<T> extends true
    ? T
    : unknown extends T
      ? T
      : T extends Leaf
        ? T
        : T extends (...args: never[]) => unknown
          ? CannotBeStored<"a function; return data, and do the work in a step">
          : T extends symbol
            ? CannotBeStored<"a symbol; use a string">
            : T extends PromiseLike<unknown>
              ? CannotBeStored<"a promise; await it first">
              : T extends ReadonlyMap<infer K, infer V>
                ? ReadonlyMap<Storable<K>, Storable<V>>
                : T extends ReadonlySet<infer V>
                  ? ReadonlySet<Storable<V>>
                  : T extends readonly unknown[]
                    ? { readonly [K in keyof T]: Storable<T[K]> }
                    : HasMethod<T> extends true
                      ? CannotBeStored<"an object with methods, such as a class instance or a response; return its data as a plain object">
                      : { readonly [K in keyof T]: Storable<T[K]> };

/** Whether an object has a method: then it is an instance of a class (a response, a stream), not data. */
type HasMethod<T> = true extends {
  [K in keyof T]-?: T[K] extends (...args: never[]) => unknown ? true : false;
}[keyof T]
  ? true
  : false;
