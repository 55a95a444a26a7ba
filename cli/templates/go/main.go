// @NAME@: a subscriber of Repobus. What is common to all of them is in repobus.go.
package main

import (
	"context"
	"fmt"
	"log"
)

// May run twice for the same event, also at the same time on another machine: the outcome must be the same.
// nil: done. Reject("…"): it will never work, a dead letter. Any other error: tried again later.
func handle(ctx context.Context, event Event, work *Work) error {
	repo, _ := event.Data["repo"].(string)
	if repo == "" {
		return Reject("an event without a repository")
	}
	fmt.Println(event.Type, repo)
	return work.Progress(ctx, 1, 1, "seen") // what people see of it
}

func main() {
	if err := Run("@NAME@", []string{@SUBJECTS@}, handle); err != nil {
		log.Fatal(err)
	}
}
