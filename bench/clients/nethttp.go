// nethttp BASE ROWS: Go's net/http and encoding/json into maps, page by page over one connection.
// Prints the seconds, the rows, and the sum of the column quantity.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func page(url string) ([]map[string]any, error) {
	reply, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, reply.Status)
	}
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return nil, err
	}
	var envelope struct{ Data []map[string]any }
	err = json.Unmarshal(body, &envelope)
	return envelope.Data, err
}

func main() {
	base, rows := os.Args[1], os.Args[2]
	begun, seen, sum := time.Now(), 0, 0.0
	for {
		data, err := page(fmt.Sprintf("%s/Import/%s/Data?start=%d&count=5000", base, rows, seen))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if len(data) == 0 {
			break
		}
		for _, row := range data {
			sum += row["quantity"].(float64)
		}
		seen += len(data)
	}
	fmt.Printf("%.6f %d %.0f\n", time.Since(begun).Seconds(), seen, sum)
}
