// SPDX-License-Identifier: MIT

package main

// The twin of workloads/ast.c.

const (
	astFunctions     = 32
	astStatementsMax = 8
	astDepthMax      = 3
	astPackageBytes  = 280 << 10
)

type astIdent struct {
	position uint64
	name     []byte
}

type astExpression struct {
	operator, unused uint32
	position         uint64
	x, y             *astExpression
	ident            *astIdent
	arguments        []*astExpression
}

type astBlock struct {
	open, close uint64
	statements  []*astStatement
}

type astStatement struct {
	position    uint64
	left, right *astExpression
	body        *astBlock
}

type astFunction struct {
	name       *astIdent
	parameters []*astIdent
	body       *astBlock
	comment    []byte
}

type astPackage struct {
	functions []*astFunction
	name      *astIdent
}

// astMaker makes trees, and counts the objects.
type astMaker struct {
	random *rng
	ops    uint64
}

func init() {
	workloads["ast"] = workload{
		map[string]uint64{"threads": 1, "live": 25, "packages": 2000},
		[]string{"live=1,packages=5,threads=1", "live=2,packages=8,threads=2"},
		ast,
	}
}

func (m *astMaker) bytes(length uint64) []byte {
	text, letters := make([]byte, length), m.random.next()
	for i := range text {
		text[i] = byte('a' + letters>>(i*5%60)%26)
	}
	m.ops++
	return text
}

// appended is append by the C program's rule.
func appended[T any](m *astMaker, list []*T, item *T) []*T {
	if len(list) == cap(list) {
		bigger := make([]*T, len(list), max(1, 2*cap(list)))
		copy(bigger, list)
		list = bigger
		m.ops++
	}
	return append(list, item)
}

func (m *astMaker) ident() *astIdent {
	draw := m.random.next()
	m.ops++
	return &astIdent{draw >> 40, m.bytes(1 + (draw&15)*(draw>>4&15)>>4)}
}

func (m *astMaker) expression(depth uint64) *astExpression {
	draw, kind := m.random.next(), uint64(0)
	if depth > 0 {
		kind = draw & 3
	}
	e := &astExpression{operator: uint32(draw >> 8 & 63), position: draw >> 40}
	m.ops++
	switch kind {
	case 0, 1:
		e.ident = m.ident()
	case 2:
		e.x = m.expression(depth - 1)
		e.y = m.expression(depth - 1)
	case 3:
		e.x = m.expression(0)
		for i := draw >> 4 & 3; i > 0; i-- {
			e.arguments = appended(m, e.arguments, m.expression(depth-1))
		}
	}
	return e
}

func (m *astMaker) statement(depth uint64) *astStatement {
	draw := m.random.next()
	s := &astStatement{position: draw >> 40}
	m.ops++
	s.left = m.expression(depth)
	if draw&1 != 0 {
		s.right = m.expression(depth)
	}
	if depth > 0 && draw>>1&3 == 0 {
		s.body = m.block(depth - 1)
	}
	return s
}

func (m *astMaker) block(depth uint64) *astBlock {
	draw := m.random.next()
	b := &astBlock{open: draw >> 40, close: draw>>40 + 1}
	m.ops++
	for i := draw%astStatementsMax + 1; i > 0; i-- {
		b.statements = appended(m, b.statements, m.statement(depth))
	}
	return b
}

func (m *astMaker) function() *astFunction {
	draw := m.random.next()
	f := &astFunction{name: m.ident()}
	m.ops++
	for i := draw & 3; i > 0; i-- {
		f.parameters = appended(m, f.parameters, m.ident())
	}
	f.body = m.block(astDepthMax)
	if draw&4 != 0 {
		f.comment = m.bytes(20 + (draw>>8)%200)
	}
	return f
}

func (m *astMaker) parsed() *astPackage {
	p := &astPackage{name: m.ident()}
	m.ops++
	for i := 0; i < astFunctions; i++ {
		p.functions = appended(m, p.functions, m.function())
	}
	return p
}

func foldBytes(text []byte) uint64 {
	sum := uint64(len(text))
	for _, c := range text {
		sum = sum*31 + uint64(c)
	}
	return sum
}

func (i *astIdent) fold() uint64 {
	if i == nil {
		return 0
	}
	return i.position + foldBytes(i.name)
}

func (e *astExpression) fold() uint64 {
	if e == nil {
		return 0
	}
	sum := uint64(e.operator) + e.position + e.ident.fold()
	sum = sum*7 + e.x.fold()
	sum = sum*7 + e.y.fold()
	for _, a := range e.arguments {
		sum = sum*7 + a.fold()
	}
	return sum
}

func (b *astBlock) fold() uint64 {
	if b == nil {
		return 0
	}
	sum := b.open*3 + b.close
	for _, s := range b.statements {
		sum = sum*7 + s.position
		sum = sum*7 + s.left.fold()
		sum = sum*7 + s.right.fold()
		sum = sum*7 + s.body.fold()
	}
	return sum
}

func (f *astFunction) fold() uint64 {
	sum := f.name.fold()
	for _, p := range f.parameters {
		sum = sum*7 + p.fold()
	}
	sum = sum*7 + f.body.fold()
	return sum*7 + foldBytes(f.comment)
}

func (p *astPackage) fold() uint64 {
	sum := p.name.fold()
	for _, f := range p.functions {
		sum = sum*31 + f.fold()
	}
	return sum
}

// Inlined, few slots would lie on the stack.
//
//go:noinline
func newSlots(n uint64) []*astPackage { return make([]*astPackage, n) }

func ast(params map[string]uint64) []uint64 {
	threads := params["threads"]
	slotCount, packages := params["live"]<<20/astPackageBytes/threads, params["packages"]/threads
	return parallel(threads, func(_ uint64, random *rng) uint64 {
		var checksum uint64
		m := astMaker{random, 1}
		slots := newSlots(slotCount)
		for i := uint64(0); i < slotCount+packages; i++ {
			slot := i
			if i >= slotCount {
				slot = (i - slotCount) % (slotCount / 2)
			}
			slots[slot] = m.parsed()
			checksum = mix(checksum, slots[slot].fold())
		}
		for _, p := range slots {
			checksum = mix(checksum, p.fold())
		}
		countOps(m.ops)
		return checksum
	})
}
