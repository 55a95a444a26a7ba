// Command languages says which languages a folder holds, as go-enry sees it: bytes by language as JSON. It does what
// linguist does with the same rules: vendored, generated and documentation files are left out, programming and markup
// count, a language of a group counts as its group. go-enry knows no .gitattributes.
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-enry/go-enry/v2"
)

// What is read of a file to judge it, as enry's own command does.
const readLimit = 16 * 1024

func language(path, name string) string {
	if enry.IsVendor(name) || enry.IsDotFile(name) || enry.IsDocumentation(name) || enry.IsConfiguration(name) {
		return ""
	}
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	content := make([]byte, readLimit)
	n, _ := file.Read(content)
	content = content[:n]
	if enry.IsBinary(content) || enry.IsGenerated(name, content) {
		return ""
	}
	found := enry.GetLanguage(filepath.Base(name), content)
	if kind := enry.GetLanguageType(found); kind != enry.Programming && kind != enry.Markup {
		return ""
	}
	if group := enry.GetLanguageGroup(found); group != "" {
		return group
	}
	return found
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: languages FOLDER")
		os.Exit(2)
	}
	root, bytes := os.Args[1], map[string]int64{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil
		}
		name, _ := filepath.Rel(root, path)
		if found := language(path, name); found != "" {
			if info, err := entry.Info(); err == nil {
				bytes[found] += info.Size()
			}
		}
		return nil
	})
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(bytes)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
