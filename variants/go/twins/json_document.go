// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"strconv"
)

// The twin of workloads/json-document.c.

const (
	jsonKidsMax     = 8
	jsonFirstOutput = 64
	jsonValueBytes  = 64
)

const (
	jsonObject = iota
	jsonArray
	jsonString
	jsonNumber
)

type jsonValue struct {
	kind, number uint64
	next, inside *jsonValue
	key, text    string
}

func init() {
	workloads["json-document"] = workload{
		map[string]uint64{"threads": 1, "text": 2048, "live": 32, "documents": 50},
		[]string{"text=40,live=1,documents=12,threads=1", "text=8,live=1,documents=9,threads=3"},
		jsonDocument,
	}
}

// jsonText is the text under way, and what the objects parsed from it take.
type jsonText struct {
	text        []byte
	parsedBytes uint64
	random      *rng
}

func (t *jsonText) put(what string) { t.text = append(t.text, what...) }

func (t *jsonText) word() {
	draw := t.random.next()
	length := 3 + draw%11
	t.put(`"`)
	for i := uint64(0); i < length; i++ {
		t.text = append(t.text, byte('a'+draw>>(4+4*i)%26))
	}
	t.put(`"`)
	t.parsedBytes += length
}

func (t *jsonText) node(budget uint64) {
	scalars := []string{"touches", "min_t", "max_t", "mean_t", "cl_weight"}
	begin, kids := uint64(len(t.text)), 1+t.random.next()%jsonKidsMax
	t.parsedBytes += uint64(3+len(scalars))*jsonValueBytes + uint64(len("name")+len("kids"))
	t.put(`{"name":`)
	t.word()
	for _, name := range scalars {
		draw := t.random.next()
		t.put(`,"` + name + `":`)
		t.text = strconv.AppendUint(t.text, draw>>(8+draw%56), 10)
		t.parsedBytes += uint64(len(name))
	}
	t.put(`,"kids":[`)
	for i := uint64(0); i < kids && uint64(len(t.text)) < begin+budget; i++ {
		used := uint64(len(t.text)) - begin
		if i > 0 {
			t.put(",")
		}
		t.node((budget - used) / (kids - i))
	}
	t.put("]}")
}

// jsonReader parses; ops counts the objects.
type jsonReader struct {
	text []byte
	at   int
	ops  uint64
}

func (r *jsonReader) expect(c byte) {
	if r.text[r.at] != c {
		panic("no JSON at " + string(r.text[r.at:]))
	}
	r.at++
}

func (r *jsonReader) string() string {
	r.expect('"')
	length := bytes.IndexByte(r.text[r.at:], '"')
	text := string(r.text[r.at : r.at+length])
	r.at += length + 1
	r.ops++
	return text
}

func (r *jsonReader) parseInside(outer *jsonValue, end byte) {
	last := &outer.inside
	r.at++
	for r.text[r.at] != end {
		key := ""
		if outer.inside != nil {
			r.expect(',')
		}
		if outer.kind == jsonObject {
			key = r.string()
			r.expect(':')
		}
		*last = r.value()
		(*last).key = key
		last = &(*last).next
	}
	r.at++
}

func (r *jsonReader) value() *jsonValue {
	v := &jsonValue{}
	r.ops++
	switch c := r.text[r.at]; c {
	case '{':
		v.kind = jsonObject
		r.parseInside(v, '}')
	case '[':
		v.kind = jsonArray
		r.parseInside(v, ']')
	case '"':
		v.kind = jsonString
		v.text = r.string()
	default:
		v.kind = jsonNumber
		for c := r.text[r.at]; c >= '0' && c <= '9'; c = r.text[r.at] {
			v.number = v.number*10 + uint64(c-'0')
			r.at++
		}
	}
	return v
}

func (v *jsonValue) fold() (sum uint64) {
	for ; v != nil; v = v.next {
		sum = sum*31 + v.kind + v.number + uint64(len(v.key))
		if n := len(v.text); n > 0 {
			sum += uint64(v.text[0])<<8 | uint64(v.text[n-1])
		}
		sum = sum*31 + v.inside.fold()
	}
	return sum
}

// jsonWriter writes into room that doubles, which append's does not once it is large.
type jsonWriter struct {
	output []byte
	ops    uint64
}

func (w *jsonWriter) room(length int) {
	for length > cap(w.output)-len(w.output) {
		bigger := make([]byte, len(w.output), 2*cap(w.output))
		copy(bigger, w.output)
		w.output = bigger
		w.ops++
	}
}

func (w *jsonWriter) write(text string) {
	w.room(len(text))
	w.output = append(w.output, text...)
}

func (w *jsonWriter) string(text string) {
	w.write(`"`)
	w.write(text)
	w.write(`"`)
}

func (w *jsonWriter) number(number uint64) {
	var digits [20]byte
	text := strconv.AppendUint(digits[:0], number, 10)
	w.room(len(text))
	w.output = append(w.output, text...)
}

func (w *jsonWriter) value(v *jsonValue) {
	if v.key != "" {
		w.string(v.key)
		w.write(":")
	}
	switch v.kind {
	case jsonString:
		w.string(v.text)
	case jsonNumber:
		w.number(v.number)
	default:
		w.write("{["[v.kind : v.kind+1])
		for inner := v.inside; inner != nil; inner = inner.next {
			w.value(inner)
			if inner.next != nil {
				w.write(",")
			}
		}
		w.write("}]"[v.kind : v.kind+1])
	}
}

// Inlined, few documents, or the first output, would lie on the stack.
//
//go:noinline
func newDocuments(n uint64) []*jsonValue { return make([]*jsonValue, n) }

//go:noinline
func newOutput() []byte { return make([]byte, 0, jsonFirstOutput) }

func jsonDocument(params map[string]uint64) []uint64 {
	t := jsonText{random: newRNG(seed, 0)}
	t.node(params["text"] << 10)
	kept := max(1, params["live"]<<20/params["threads"]/t.parsedBytes)
	return parallel(params["threads"], func(_ uint64, _ *rng) uint64 {
		var checksum uint64
		documents, ops := newDocuments(kept), uint64(1)
		for i := uint64(0); i < params["documents"]; i++ {
			reader := jsonReader{text: t.text}
			document := reader.value()
			documents[i%kept] = document
			checksum = mix(checksum, document.fold())
			writer := jsonWriter{newOutput(), 1}
			writer.value(document)
			if !bytes.Equal(writer.output, t.text) {
				panic("the text that was written is not the one that was read")
			}
			checksum = mix(checksum, uint64(len(writer.output)))
			ops += reader.ops + writer.ops
		}
		countOps(ops)
		return checksum
	})
}
