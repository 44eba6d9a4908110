package cache

import "sync"

// Store 是缓存 keeps values in memory.
type Store struct {
	mu sync.Mutex
}

// Get 读取一个键 returns the value of a key.
func (s *Store) Get(key string) string {
	return key
}
