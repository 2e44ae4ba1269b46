;; A shop: one resource with a constructor, methods and a static, the same interface in two versions,
;; an interface of the world, and functions of the world itself.
(component
  (core module $code
    (import "host" "cart-new" (func $cart-new (param i32) (result i32)))
    (import "host" "cart-dropped" (func $cart-dropped))
    (memory (export "memory") 1)
    (global $total (mut i32) (i32.const 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    ;; A cart is its number of items, at first the length of its name.
    (func (export "new") (param i32 i32) (result i32) (call $cart-new (local.get 1)))
    (func (export "add-item") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "merge") (result i32) (i32.const 3))
    (func (export "nothing")))
  (core module $drops (func (export "cart-dropped")))
  (core instance $drops (instantiate $drops))
  (type $cart (resource (rep i32)))
  (core func $cart-new (canon resource.new $cart))
  (core instance $code (instantiate $code (with "host" (instance
    (export "cart-new" (func $cart-new))
    (export "cart-dropped" (func $drops "cart-dropped"))))))

  (func $new (param "name" string) (result (own $cart))
    (canon lift (core func $code "new") (memory (core memory $code "memory")) (realloc (core func $code "realloc"))))
  (func $add-item (param "self" (borrow $cart)) (param "count" u32) (result u32)
    (canon lift (core func $code "add-item")))
  (func $merge (result u32) (canon lift (core func $code "merge")))
  (func $nothing (canon lift (core func $code "nothing")))

  (component $api
    (import "cart" (type $cart (sub resource)))
    (import "new" (func $new (param "name" string) (result (own $cart))))
    (import "add-item" (func $add-item
      (param "self" (borrow $cart)) (param "count" u32) (result u32)))
    (import "merge" (func $merge (result u32)))
    (import "nothing" (func $nothing))
    (export $own-cart "cart" (type $cart))
    (export "[constructor]cart" (func $new) (func (param "name" string) (result (own $own-cart))))
    (export "[method]cart.add-item" (func $add-item)
      (func (param "self" (borrow $own-cart)) (param "count" u32) (result u32)))
    (export "[static]cart.merge" (func $merge))
    (export "[static]cart.new" (func $merge))
    (export "check-out" (func $nothing))
    (export "open" (func $nothing)))
  (instance $api (instantiate $api
    (with "cart" (type $cart)) (with "new" (func $new)) (with "add-item" (func $add-item))
    (with "merge" (func $merge)) (with "nothing" (func $nothing))))
  (export "shop:store/api@1.0.0" (instance $api))

  (component $audit
    (import "cart" (type $cart (sub resource)))
    (import "nothing" (func $nothing))
    (export "cart" (type $cart))
    (export "open" (func $nothing)))
  (instance $audit (instantiate $audit (with "cart" (type $cart)) (with "nothing" (func $nothing))))
  (export "shop:store/audit@1.0.0" (instance $audit))

  (instance $run (export "run" (func $nothing)))
  (export "wasi:cli/run@0.2.0" (instance $run))
  (export "wasi:cli/run@0.3.0" (instance $run))
  (export "local" (instance $run))
  (export "ping" (func $merge))
  (export "open" (func $nothing))
)
