package proxyshim

import (
	"container/list"
	"sync"
)

// lru is a map of bounded size that forgets what was not written for longest. It is safe for concurrent use.
type lru[K comparable, V any] struct {
	max int

	mu    sync.Mutex
	items map[K]*list.Element
	order list.List // of pair[K, V], the latest written in front
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](limit int) *lru[K, V] {
	return &lru[K, V]{max: limit, items: make(map[K]*list.Element)}
}

func (l *lru[K, V]) get(key K) (V, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.items[key]; ok {
		return e.Value.(*pair[K, V]).value, true
	}
	var zero V
	return zero, false
}

// update calls change with a pointer to the value of key, zero for a new one.
func (l *lru[K, V]) update(key K, change func(*V)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.items[key]
	if !ok {
		if len(l.items) >= l.max {
			last := l.order.Back()
			delete(l.items, l.order.Remove(last).(*pair[K, V]).key)
		}
		e = l.order.PushFront(&pair[K, V]{key: key})
		l.items[key] = e
	}
	l.order.MoveToFront(e)
	change(&e.Value.(*pair[K, V]).value)
}

func (l *lru[K, V]) values() []V {
	l.mu.Lock()
	defer l.mu.Unlock()
	values := make([]V, 0, len(l.items))
	for e := l.order.Front(); e != nil; e = e.Next() {
		values = append(values, e.Value.(*pair[K, V]).value)
	}
	return values
}
